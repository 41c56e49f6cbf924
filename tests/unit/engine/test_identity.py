"""A workflow is a purchase's own if it is what was sent, and does not name another."""

import pytest

from pipeline.engine.identity import assert_bought, assert_own, others_named
from pipeline.errors import InvalidInput
from pipeline.jobs import JobKey
from pipeline.json_values import Json
from pipeline.providers.base import Progress, Workflow
from pipeline.purchases import Ownership, Purchase, PurchaseId, Status

OWN, OTHER = f"{10:016x}", f"{11:016x}"


def bought(**request: Json) -> Purchase:
    """A purchase of the title `Films`, and of nothing that names it."""
    return Purchase(
        id=PurchaseId(OWN),
        key=JobKey("main/loop/red/walk"),
        fingerprint="v1:1",
        status=Status.ATTENTION,
        bought_at="2026-01-01T00:00:00Z",
        template_id="loop",
        request={"title": "Films", **request},
    )


def told(title: str = "Films", description: str = "") -> Workflow:
    return Workflow(
        "wf-1",
        Progress.SUCCEEDED,
        "success",
        template_id="loop",
        title=title,
        description=description,
    )


def is_own(workflow: Workflow, purchase: Purchase) -> bool:
    try:
        assert_bought(workflow, purchase)
    except InvalidInput:
        return False
    return True


@pytest.mark.parametrize("description", [f"spring {OTHER}", f"({OTHER})", f"film_{OTHER}", OTHER])
def test_workflow_whose_description_names_another_purchase_is_refused(description: str) -> None:
    assert not is_own(told(description=description), bought())
    assert others_named(told(description=description), bought()) == [OTHER]


@pytest.mark.parametrize(
    ("purchase", "workflow"),
    [
        (bought(), told(description=f"spring {OWN}")),
        (bought(), told(description=f"{OWN}, not {OTHER}")),
        (bought(), told(title=f"Final cut, {OWN}", description=f"not {OTHER}")),
        (bought(), told(description=f"checksum {OTHER}{OTHER}")),
        (bought(), told(description="order 1234567890123456")),
        (bought(), told(description=f"checksum x{OTHER}")),
        (bought(description=f"The asset {OTHER}"), told(description=f"The asset {OTHER}")),
        (bought(description=f"The asset {OTHER}"), told(description="")),
    ],
)
def test_own_id_and_ids_in_the_own_wording_name_no_other_purchase(
    purchase: Purchase, workflow: Workflow
) -> None:
    assert is_own(workflow, purchase)
    assert not others_named(workflow, purchase)


@pytest.mark.parametrize(
    ("workflow", "why"),
    [
        (told(), "neither title nor description names both"),
        (
            told(f"spring: {OWN}", f"spring {OWN}"),
            f"its title 'spring: {OWN}' is not the one known to be sent",
        ),
    ],
)
def test_what_nothing_proves_to_be_ones_own_says_what_is_lacking(workflow: Workflow, why: str) -> None:
    stranger = Ownership(campaign="spring", recorded=frozenset())

    with pytest.raises(
        InvalidInput, match=f"nothing proves that .*: this state did not record it, and {why}"
    ):
        assert_own(workflow, bought(), stranger)

    assert_own(told(description=f"spring {OWN}"), bought(), stranger)
    assert_own(workflow, bought(), Ownership(campaign="spring", recorded=frozenset({bought().id})))
