"""Checks of a provider as an object: it is picklable, exchanges plain data, and never shows its key."""

from __future__ import annotations

import copyreg
import io
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from pipeline.providers.base import Bought
from pipeline.providers.echoed_key import text_without_key
from pipeline.testing.calls import CALLS, Ask, report
from pipeline.testing.lab import KEY, PNG, Lab, Play, expect
from pipeline.testing.side_effects import holding, side_effects
from pipeline.testing.vendor import Call, Refusal, Reply

if TYPE_CHECKING:
    from pipeline.providers.base import Provider
    from pipeline.testing.server import Connection


def _name(lab: Lab) -> None:
    name = lab.provider().name
    expect(bool(name.strip()), "the provider has no name")
    expect(
        lab.provider().name == name,
        "its name differs between instances: what one has bought would not serve the other",
    )


def _pickled(lab: Lab) -> None:
    provider = lab.provider()
    lab.create(provider)
    copy = pickle.loads(pickle.dumps(provider))  # noqa: S301 - our own
    outcome = lab.create(copy, "kit 2")
    expect(
        isinstance(outcome, Bought), f"the create of a pickled copy was accepted, but it returned {outcome}"
    )
    expect(copy.name == provider.name, "a pickled copy has another name")


def _pickled_data(lab: Lab) -> None:
    provider = lab.provider()
    lab.on_call = lambda connection, _call: connection.answer(lab.vendor.told(lab.workflow()))
    request = provider.prepare(lab.vendor.request("kit"))
    for each in (request, provider.create(request), provider.get(lab.workflow().id)):  # type: ignore[arg-type]
        expect(pickle.loads(pickle.dumps(each)) == each, f"{type(each).__name__} changes when it is pickled")  # noqa: S301


_ERRORS: dict[str, Reply | Refusal] = {
    "HTTP 500": Reply(500),
    "an unknown workflow": Refusal.UNKNOWN_WORKFLOW,
    "a refused key": Refusal.KEY,
}


def _pickled_errors(lab: Lab) -> None:
    provider = lab.provider()
    raised: dict[str, Exception] = {}
    for name, why in _ERRORS.items():
        reply = lab.vendor.refused(why) if isinstance(why, Refusal) else why
        lab.on_call = lambda connection, _call, reply=reply: connection.answer(reply)
        try:
            CALLS["get"](provider)
        except Exception as error:  # noqa: BLE001 - other checks judge which one it is
            raised[name] = error
    lab.on_media = lambda connection, _call: connection.answer(Reply(403))
    try:
        lab.download(provider, lab.folder / "film.png")
    except Exception as error:  # noqa: BLE001 - as above
        raised["an expired url"] = error
    for name, each in raised.items():
        expect(
            _is_picklable(each),
            f"for {name} it raised {type(each).__name__}, which changes when it is pickled: "
            "calls may be made in other processes",
        )


def _is_picklable(error: Exception) -> bool:
    try:
        copy = pickle.loads(_pickled_by_its_class(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - pickle passes on whatever the class raises
        return False
    return (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def _pickled_by_its_class(error: Exception) -> bytes:
    """Pickle it without what a library registered for exceptions in this process, as `distributed` does."""
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream)
    pickler.dispatch_table = {
        kind: reduce for kind, reduce in copyreg.dispatch_table.items() if not issubclass(kind, BaseException)
    }
    pickler.dump(error)
    return stream.getvalue()


def _shown(lab: Lab) -> None:
    provider = lab.provider()
    texts = f"{provider!r}{provider}{lab.vendor.request('kit')!r}"
    expect(not has_key(texts), "its representation shows the key")


def has_key(text: str) -> bool:
    """Whether `text` has the key in any spelling, as in base64."""
    return text_without_key(text, KEY) != text


def _echo(connection: Connection, call: Call) -> None:
    """Echo the key, as some servers do in their errors."""
    status = 422 if call.method == "POST" else 500
    body = b'{"message": "not %s", "error": "%s"}' % (KEY.encode(), KEY.encode())
    connection.answer(Reply(status, body, (("Content-Type", "application/json"), ("X-Echo", KEY))))


def _close(connection: Connection, _call: Call) -> None:
    connection.close()


def exercised(lab: Lab) -> Iterator[tuple[str, str]]:
    """All that comes out of each method, after good answers and after failures, with what led to it."""
    answers: dict[str, Play] = {
        "HTTP 500": lambda connection, _call: connection.answer(Reply(500, b"<h1>x</h1>")),
        "a closed connection": _close,
        "an answer that repeats the key": _echo,
        **{f"a refusal ({why})": _refusing(lab, why) for why in Refusal},
    }
    provider = lab.provider()
    lab.on_media = lambda connection, _call: connection.answer(Reply(200, PNG), ("Content-Type", "image/png"))
    told = lab.vendor.told(lab.workflow())
    for name, play in {"a good answer": None, **answers}.items():
        lab.on_create = play
        lab.on_call = play or (lambda connection, _call: connection.answer(told))
        for method, call in _calls(lab).items():
            yield f"{method}, {name}", _out_of(call, provider)
        lab.on_media = _close


def _refusing(lab: Lab, why: Refusal) -> Play:
    return lambda connection, _call: connection.answer(lab.vendor.refused(why))


def _calls(lab: Lab) -> dict[str, Ask]:
    return {
        "create": lambda each: each.create(each.prepare(lab.vendor.request("kit"))),
        **CALLS,
        "report_error": report,
        "download": lambda each: lab.download(each, lab.folder / "film.png"),
    }


def _out_of(call: Ask, provider: Provider) -> str:
    try:
        return repr(call(provider))
    except Exception as error:  # noqa: BLE001 - the check is about what it shows, with notes and causes
        return f"{error!r} {error.__context__!r} {''.join(traceback.format_exception(error))}"


def _never_shown(lab: Lab) -> None:
    for what, text in exercised(lab):
        expect(not has_key(text), f"{what}: an outcome or an error holds the key")


def _printed(lab: Lab) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        list(exercised(lab))
    expect(not has_key(printed.getvalue()), "the key was printed, to stdout or stderr")


def _logged(lab: Lab) -> None:
    lab.on_call = lambda connection, _call: connection.answer(lab.vendor.told(lab.workflow()))
    lab.on_media = _close
    provider = lab.provider()
    lab.create(provider)
    for call in (CALLS["get"], lambda each: lab.download(each, lab.folder / "film.png")):
        try:
            call(provider)
        except Exception as error:  # noqa: BLE001 - only what is logged matters here
            lab.logged.append(str(error))
    secrets = "\n".join(lab.logged)
    list(exercised(lab))
    log = "\n".join(lab.logged)
    expect(not has_key(log), "a log or an error holds the key")
    expect(
        "sig=1" not in secrets,
        "a log or an error holds the query of a url, which is a secret where it is signed",
    )


def _written(lab: Lab) -> None:
    with side_effects() as effects:
        list(exercised(lab))
    held = holding({*effects.files, *map(str, lab.folder.rglob("*"))}, KEY.encode())
    expect(not held, f"the key was written to {', '.join(held)}")


def _environment(lab: Lab) -> None:
    with side_effects() as effects:
        list(exercised(lab))
    held = [name for name, value in effects.variables.items() if has_key(value)]
    expect(
        not held,
        f"the key was written to the environment, as {', '.join(held)}: programs that a run starts get it",
    )


def _addressed(lab: Lab) -> None:
    list(exercised(lab))
    told = [call for call in (*lab.creates, *lab.calls) if has_key(call.target)]
    expect(
        not told,
        f"the key is in the address of a {told[0].method if told else ''}, which servers and proxies log: "
        "it belongs in a header",
    )


def checks() -> Iterator[tuple[str, Callable[[Lab], None]]]:
    yield "provider: has one name", _name
    yield "provider: can be pickled", _pickled
    yield "provider: gives and takes plain data", _pickled_data
    yield "provider: raises errors that can be pickled", _pickled_errors
    yield "key: in no representation", _shown
    yield "key: in no outcome and no error", _never_shown
    yield "key: in no log", _logged
    yield "key: in no output", _printed
    yield "key: in no file", _written
    yield "key: in no environment variable", _environment
    yield "key: in no address", _addressed
