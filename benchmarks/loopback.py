"""The vendor on this machine, started for one measurement: its address, and what it was asked in the end."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import certifi

from benchmarks.installation import environment
from benchmarks.measuring import Failed

KEY = "benchmark-key"
_PROGRAM = Path(__file__).with_name("programs") / "vendor.py"


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the vendor was asked: calls by kind, when the last one came, and the longest time between two, in seconds.

    `transfer` is how long its clips took, where it has a bandwidth; `cpu` what it took itself.
    """

    creates: int
    polls: int
    downloads: int
    others: int
    connections: int
    last: float
    transfer: float
    longest_gap: float
    cpu: float

    @property
    def calls(self) -> int:
        """All calls together."""
        return self.creates + self.polls + self.downloads + self.others

    def assert_sold(self, jobs: int) -> None:
        """Each job was bought once and fetched once.

        Raises:
            Failed: else what was measured is not what was meant.
        """
        if (self.creates, self.downloads, self.others) != (jobs, jobs, 0):
            raise Failed(f"{jobs} creates and as many downloads were expected, not {self}")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for this machine with its key, and a bundle that trusts it beside all that the world trusts."""

    path: Path
    bundle: Path


@dataclass
class Vendor:
    """A vendor that answers. What it was asked can be read once it has ended."""

    url: str
    certificate: Certificate | None
    told: Ledger | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to know of it."""
        trusted = {} if self.certificate is None else {"REQUESTS_CA_BUNDLE": str(self.certificate.bundle)}
        return environment({"VIMMERSE_BASE_URL": self.url, "VIMMERSE_API_KEY": KEY, **trusted})

    @property
    def ledger(self) -> Ledger:
        """What it was asked.

        Raises:
            Failed: it has not ended.
        """
        if self.told is None:
            raise Failed("the vendor still answers")
        return self.told


@contextmanager
def vendor(
    *,
    delay: float = 0.0,
    certificate: Certificate | None = None,
    size: int | None = None,
    bandwidth: float = 0.0,
) -> Iterator[Vendor]:
    """A vendor whose workflows take `delay` seconds; with a certificate it speaks https.

    Each clip has `size` bytes, and `bandwidth` is how many of them a second go to one address (0: as many as can).
    """
    arguments = [sys.executable, "-P", str(_PROGRAM), "--delay", str(delay)]
    if size is not None:
        arguments += ["--size", str(size), "--bandwidth", str(bandwidth)]
    if certificate is not None:
        arguments += ["--certificate", str(certificate.path)]
    with subprocess.Popen(
        arguments, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        if process.stdout is None:
            raise TypeError(process)
        running = Vendor(process.stdout.readline().strip(), certificate)
        try:
            yield running
        except BaseException:
            process.kill()
            raise
        told, _ = process.communicate()
        running.told = Ledger(**json.loads(told))


def make_certificate(folder: Path) -> Certificate:
    """A certificate that vouches for itself."""
    made, key = folder / "certificate.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-out", str(made), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    both, bundle = folder / "vendor.pem", folder / "bundle.pem"
    both.write_bytes(made.read_bytes() + key.read_bytes())
    # A company's own certificate comes in a bundle like this one; how long it is decides what it takes to load it.
    bundle.write_bytes(Path(certifi.where()).read_bytes() + made.read_bytes())
    return Certificate(both, bundle)
