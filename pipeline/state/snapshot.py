"""The whole state as JSON, for `pipeline state export` and `import`.

An import is joined like any other set of purchases, so the order of imports does not matter, and they cannot
conflict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeGuard

from pipeline import record_limits
from pipeline.errors import InvalidInput, Problem
from pipeline.purchases import Decisions, Purchase, PurchaseId, Records, Served, as_json
from pipeline.records import PURCHASE_ID, purchase_from_json, unrecordable_reason
from pipeline.state.histories import by_purchase, join_histories
from pipeline.state.recovery import absorb
from pipeline.state.store import NOTHING_IMPORTED, Imported, LoggedEvent

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json

VERSION = 1

# Longer than any workflow takes, in seconds.
_LONGEST = 1e9


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of an export: the campaign, its purchases, and what else the state knew of them."""

    campaign: str
    records: Records
    imported: Imported = NOTHING_IMPORTED


def join_exports(
    own: Mapping[str, Json], others: Sequence[Mapping[str, Json]], decisions: Decisions
) -> Mapping[str, Json]:
    """The export of a campaign that has several states: `own` is that of the one which is imported into."""
    if not others:
        return own
    mine, *theirs = (read(dict(each), "export") for each in (own, *others))
    records, durations = mine.records, dict(mine.imported.durations)
    for each in theirs:
        records = absorb(records, each.records, decisions)
        durations = {**each.imported.durations, **durations}
    return write(
        mine.campaign,
        records,
        list(_joined_events([each.imported.events for each in (mine, *theirs)])),
        durations,
        frozenset().union(*(each.imported.recorded for each in (mine, *theirs))),
    )


def _joined_events(histories: Iterable[Sequence[LoggedEvent]]) -> Iterator[LoggedEvent]:
    known = [by_purchase(each) for each in histories]
    for purchase_id in sorted({purchase_id for each in known for purchase_id in each}):
        own, *others = (each.get(purchase_id, ()) for each in known)
        yield from join_histories(own, others)


def write(
    campaign: str,
    records: Records,
    events: Sequence[LoggedEvent],
    durations: Mapping[str, float],
    recorded: Collection[PurchaseId] = (),
) -> dict[str, Json]:
    """The state as JSON: purchases ordered by key and age, what served each key, and, for people, the events."""
    purchases = sorted(records.purchases.values(), key=lambda purchase: (purchase.key, purchase.age))
    return {
        "version": VERSION,
        "campaign": campaign,
        "purchases": [as_json(purchase) for purchase in purchases],
        "served": {key: each.purchase for key, each in sorted(records.served.items())},
        "serials": {key: each.serial for key, each in sorted(records.served.items()) if each.serial > 1},
        "recorded": [*sorted(recorded)],
        "events": [asdict(event) for event in events],
        "durations": dict(sorted(durations.items())),
    }


def read(document: Json, name: str) -> Snapshot:
    """Read what `write` wrote; `name` is the file it came from.

    Raises:
        InvalidInput: it is not an export, or one of a newer version; names every purchase that is invalid.
    """
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise InvalidInput(
            f"{name}: not a state export of version {VERSION}; `pipeline state export` writes one"
        )
    campaign, written, served = (document.get(part) for part in ("campaign", "purchases", "served"))
    if not isinstance(campaign, str) or not isinstance(written, list) or not _is_served(served):
        raise InvalidInput(
            f"{name}: a state export has a campaign, a list of purchases, and what served each key"
        )
    # Older exports lack these.
    serials = document.get("serials", {})
    if not _are_serials(serials):
        raise InvalidInput(f"{name}: serials: expected the serial of each key")
    # Older exports lack this list; none of their purchases counts as recorded.
    recorded = document.get("recorded", [])
    if not isinstance(recorded, list) or not all(isinstance(each, str) for each in recorded):
        raise InvalidInput(f"{name}: recorded: expected a list of purchases")
    problems: list[Problem] = []
    purchases: dict[PurchaseId, Purchase] = {}
    for number, each in enumerate(written):
        where = f"{name}: purchases[{number}]"
        try:
            purchase = purchase_from_json(each)
            if why := unrecordable_reason(purchase):
                raise ValueError(why)
        except ValueError as error:
            problems.append(Problem(f"{where}: not a purchase as the export writes it ({error})"))
            continue
        if purchase.id in purchases:
            problems.append(Problem(f"{where}: {purchase.id} occurs twice"))
        purchases[purchase.id] = purchase
    if problems:
        raise InvalidInput(problems)
    imported = Imported(
        recorded=frozenset(map(PurchaseId, map(str, recorded))),
        events=_events(document.get("events", []), name),
        durations=_durations(document.get("durations", {}), name),
    )
    last = {
        key: Served(purchase=purchase_id, serial=serials.get(key, 1)) for key, purchase_id in served.items()
    }
    return Snapshot(campaign, Records(purchases, last), imported)


def _events(written: Json, name: str) -> tuple[LoggedEvent, ...]:
    events = []
    for number, each in enumerate(written if isinstance(written, list) else [written]):
        fields = each if isinstance(each, dict) else {}
        texts = {key: fields.get(key) for key in ("at", "purchase", "event", "after", "detail")}
        before = fields.get("before")
        are_texts = all(isinstance(text, str) for text in texts.values())
        if not are_texts or not isinstance(before, str | None) or not _is_id(texts["purchase"]):
            raise InvalidInput(
                f"{name}: events[{number}]: not an event of a purchase as the export writes it"
            )
        at, purchase_id, event, after, detail = (str(text) for text in texts.values())
        events.append(
            LoggedEvent(
                at=at,
                purchase=PurchaseId(purchase_id),
                event=event,
                before=before,
                after=after,
                detail=detail,
            )
        )
    return tuple(events)


def _durations(written: Json, name: str) -> dict[str, float]:
    if not isinstance(written, dict) or not all(_is_duration(*each) for each in written.items()):
        raise InvalidInput(f"{name}: durations: expected the mean seconds of each template")
    return {template_id: float(str(seconds)) for template_id, seconds in written.items()}


def _is_duration(template_id: str, seconds: Json) -> bool:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return (
        is_number
        and 0 <= float(str(seconds)) < _LONGEST
        and record_limits.is_name(template_id, record_limits.LONGEST_NAME)
    )


def _is_id(value: Json) -> bool:
    return isinstance(value, str) and PURCHASE_ID.fullmatch(value) is not None


def _is_served(value: Json) -> TypeGuard[dict[JobKey, PurchaseId]]:
    return isinstance(value, dict) and all(
        key
        and record_limits.is_name(key, record_limits.LONGEST_KEY)
        and isinstance(each, str)
        and PURCHASE_ID.fullmatch(each)
        for key, each in value.items()
    )


def _are_serials(value: Json) -> TypeGuard[dict[JobKey, int]]:
    return isinstance(value, dict) and all(map(record_limits.is_serial, value.values()))
