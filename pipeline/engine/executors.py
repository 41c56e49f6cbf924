"""Who does the calls: threads of this process."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def hands(number: int) -> Iterator[Executor]:
    """So many threads. Leaving does not wait for a call that hangs: the run has decided about it already."""
    pool = ThreadPoolExecutor(number, thread_name_prefix="call")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
