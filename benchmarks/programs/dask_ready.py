"""Waits until a Dask cluster has so many workers: `dask_ready SCHEDULER NUMBER`."""

import sys

from distributed import Client


def main() -> None:
    """Wait."""
    address, number = sys.argv[1:]
    with Client(f"tcp://{address}", set_as_default=False) as client:
        client.wait_for_workers(int(number), timeout=120)


if __name__ == "__main__":
    main()
