"""Calls that commands make one after another are repeated, for a while."""

import random

import pytest

from engine.vendor import Script
from pipeline.engine.repeated import ATTEMPTS, repeated
from pipeline.errors import AccountError, PipelineError
from pipeline.providers.base import CallRefused, NotFound, VendorError


class Calls:
    """A call that errs so often before it brings something, and what was waited in between."""

    def __init__(self, *errors: Exception) -> None:
        self.made = 0
        self.pauses: list[float] = []
        self._script: Script[str] = Script(lambda _: "brought")
        self._script["it"] = list(errors)

    def repeated(self) -> str:
        return repeated(self._call, self.pauses.append, random.Random(1))

    def _call(self) -> str:
        self.made += 1
        return self._script.answer("it")


def test_an_error_that_passes_is_repeated_no_sooner_than_asked() -> None:
    calls = Calls(VendorError("503", after=30), VendorError("reset"))

    assert calls.repeated() == "brought"
    assert calls.made == 3
    assert calls.pauses[0] >= 30


def test_the_last_error_is_told() -> None:
    calls = Calls(*(VendorError(str(number)) for number in range(9)))

    with pytest.raises(VendorError, match=f"^{ATTEMPTS - 1}$"):
        calls.repeated()
    assert calls.made == ATTEMPTS


@pytest.mark.parametrize("error", [NotFound("404"), CallRefused("422"), AccountError("401")])
def test_what_repeating_does_not_mend_is_told_at_once(error: PipelineError) -> None:
    calls = Calls(error)

    with pytest.raises(type(error)):
        calls.repeated()
    assert calls.made == 1
    assert not calls.pauses
