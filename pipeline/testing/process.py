"""Checks that a provider changes nothing that the whole process shares, and tells its key to no other program."""

import signal
from collections.abc import Callable, Iterator
from unittest import mock

from pipeline.testing.data import exercised, has_key
from pipeline.testing.lab import Lab, expect
from pipeline.testing.shared import Shared
from pipeline.testing.side_effects import side_effects


def _folder(lab: Lab) -> None:
    with side_effects() as effects:
        list(exercised(lab))
    expect(
        not effects.folders,
        f"it changed the working folder to {effects.folders[-1:]}, but all threads share it, and paths start there",
    )


def _variables(lab: Lab) -> None:
    with side_effects() as effects:
        list(exercised(lab))
    expect(
        not effects.variables,
        f"it changed {', '.join(effects.variables)} in the environment, which is for the whole process: "
        "give a program that it starts an environment of its own",
    )


def _handlers(lab: Lab) -> None:
    handled: list[int] = []

    def note(number: int, _handler: object) -> object:
        handled.append(number)
        return signal.getsignal(number)

    # Python refuses to set a handler in the thread of a check, so it is never set.
    with mock.patch.object(signal, "signal", note):
        list(exercised(lab))
    names = ", ".join(sorted({signal.Signals(number).name for number in handled}))
    expect(
        not handled,
        f"it set a handler for {names}: a run saves everything when it is interrupted, and has its own",
    )


def _settings(lab: Lab) -> None:
    before = Shared.now()
    list(exercised(lab))
    after = Shared.now()
    pairs = {
        "the umask": (before.umask, after.umask),
        "the default timeout of sockets": (before.timeout, after.timeout),
        "the locale": (before.locale, after.locale),
    }
    changed = [name for name, (one, other) in pairs.items() if one != other]
    expect(not changed, f"it changed {' and '.join(changed)}, which is for the whole process")


def _programs(lab: Lab) -> None:
    with side_effects() as effects:
        list(exercised(lab))
    told = sorted({program.partition(" ")[0] for program in effects.programs if has_key(program)})
    expect(not told, f"the key is an argument of {', '.join(told)}, which every user of the machine can read")


def checks() -> Iterator[tuple[str, Callable[[Lab], None]]]:
    yield "provider: leaves the working folder alone", _folder
    yield "provider: leaves the environment alone", _variables
    yield "provider: leaves the handlers of signals alone", _handlers
    yield "provider: leaves umask, timeout of sockets and locale alone", _settings
    yield "key: in no argument of a program", _programs
