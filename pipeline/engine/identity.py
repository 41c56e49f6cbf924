"""Decides whether a workflow at the vendor is that of a purchase, by what the vendor says of it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, printable
from pipeline.planning.planner import last_sent
from pipeline.purchases import Ownership, Purchase, PurchaseId

if TYPE_CHECKING:
    from collections.abc import Container

    from pipeline.planning.plan import Wording
    from pipeline.providers.base import Workflow

_IDS = re.compile("(?<![0-9A-Za-z])[0-9a-f]{16}(?![0-9A-Za-z])")


def assert_own(workflow: Workflow, purchase: Purchase, ownership: Ownership, *wordings: Wording) -> None:
    """Check that a workflow is the purchase's own, so that it may be changed or deleted.

    Template and title are checked as by `assert_bought`. For a purchase that this state did not record itself, the
    title also has to be one sent (or one of `wordings`), and title or description have to name the purchase and the
    campaign: otherwise the workflow may be another campaign's.

    Raises:
        InvalidInput: it is another workflow, or nothing proves that it is this one.
    """
    _assert_worded(workflow, purchase, *wordings)
    if ownership.is_recorded(purchase):
        return
    is_named = ownership.is_named_in(purchase.id, title=workflow.title, description=workflow.description)
    if is_named and _is_titled(workflow, purchase, *wordings):
        return
    lacking = "neither title nor description names both"
    if is_named:
        sent = printable(last_sent(purchase).title)
        lacking = f"its title {printable(workflow.title)!r} is not the one known to be sent, {sent!r}"
    raise InvalidInput(
        f"nothing proves that workflow {printable(workflow.id)} is purchase {purchase.id} of campaign "
        f"'{ownership.campaign}': this state did not record it, and {lacking}"
    )


def assert_bought(workflow: Workflow, purchase: Purchase) -> None:
    """Check that a workflow which a person or a webhook named is the one of a purchase.

    Its template and title have to be those sent, and neither title nor description may name another purchase. The
    title may also contain the purchase's id: a run may have changed it and died before it recorded that. The options
    that the vendor shows prove nothing: it may have rewritten a prompt.

    Raises:
        InvalidInput: it is another workflow.
    """
    _assert_worded(workflow, purchase)
    if others := others_named(workflow, purchase):
        raise InvalidInput(f"{_is_not(workflow, purchase)}: its description names purchase {others[0]}")


def others_named(
    workflow: Workflow, purchase: Purchase, known: Container[str] | None = None
) -> list[PurchaseId]:
    """What title and description of a workflow name in place of `purchase`; empty if they name it, or nothing.

    If it is not said which purchases are `known`, all ids count but plain numbers: these are more likely those of
    orders. An id in what was sent is part of the manifest's own text.
    """
    told = _wording(workflow)
    if purchase.id in told:
        return []
    sent = f"{last_sent(purchase).title}\n{last_sent(purchase).description}"
    return [
        PurchaseId(named)
        for named in _IDS.findall(told)
        if named not in sent and (not named.isdecimal() if known is None else named in known)
    ]


def _assert_worded(workflow: Workflow, purchase: Purchase, *wordings: Wording) -> None:
    is_titled = _is_titled(workflow, purchase, *wordings) or purchase.id in workflow.title
    if workflow.template_id != purchase.template_id or not is_titled:
        sent = f"{printable(purchase.template_id)!r} and {printable(last_sent(purchase).title)!r}"
        raise InvalidInput(
            f"{_is_not(workflow, purchase)}: it has template {printable(workflow.template_id)!r} and title "
            f"{printable(workflow.title)!r}, sent were {sent}"
        )


def _is_titled(workflow: Workflow, purchase: Purchase, *wordings: Wording) -> bool:
    return workflow.title in {each.title for each in (last_sent(purchase), *wordings)}


def _wording(workflow: Workflow) -> str:
    return f"{workflow.title}\n{workflow.description}"


def _is_not(workflow: Workflow, purchase: Purchase) -> str:
    return f"workflow {printable(workflow.id)} is not purchase {purchase.id}"
