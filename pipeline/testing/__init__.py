"""A conformance kit for authors of providers: it checks what a run relies on, over real connections, good and broken.

The author describes the vendor's API as a `Vendor`; the kit plays it. With pytest:

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    def test_conforms(check: Check) -> None:
        check(AcmeVendor())

Without: `check_provider(AcmeVendor())`. Nothing leaves this machine.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from pipeline.testing import calls, creates, data, downloads, mixups, process, sent, waits
from pipeline.testing.lab import Fault, Lab, opened, run_apart
from pipeline.testing.vendor import Call, Refusal, Reply, Vendor

__all__ = ["CHECKS", "Call", "Check", "Fault", "Refusal", "Reply", "Vendor", "check_provider"]


@dataclass(frozen=True, slots=True)
class Check:
    """A check of one thing that a run relies on; called with a `Vendor`, it raises `Fault` if the check fails."""

    name: str
    _run: Callable[[Lab], None] = field(repr=False)

    def __call__(self, vendor: Vendor) -> None:
        with opened(vendor) as lab:
            run_apart(partial(self._run, lab))
        # Checked only after the server has ended, and with it all its connections.
        lab.assert_timeout_kept()

    def __str__(self) -> str:
        return self.name


CHECKS = tuple(
    Check(name, run)
    for module in (creates, sent, calls, waits, downloads, mixups, data, process)
    for name, run in module.checks()
)


def check_provider(vendor: Vendor, checks: Iterable[Check] = CHECKS) -> None:
    """Run all of `checks`.

    Raises:
        Fault: some failed; the message says for each what is wrong.
    """
    faults = []
    for check in checks:
        try:
            check(vendor)
        except Exception as error:  # noqa: BLE001 - an unexpected exception of a provider is a fault too
            reason = str(error) if isinstance(error, Fault) else f"{type(error).__name__}: {error}"
            faults.append(f"{check.name}: {reason}")
    if faults:
        raise Fault("\n".join(faults))
