"""A workflow is a purchase's own if it is what was sent, and neither names nor shows another."""

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.engine.identity import assert_bought, others_named
from pipeline.errors import InvalidInput
from pipeline.jobs import JobKey
from pipeline.json_values import Json
from pipeline.providers.base import Progress, Workflow
from pipeline.purchases import Purchase, PurchaseId, Status

OWN, OTHER = f"{1:016x}", f"{2:016x}"
WALK = "Ein ruhiger Gang über die Brücke & zurück"


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


def told(title: str = "Films", description: str = "", **options: str) -> Workflow:
    return Workflow(
        "wf-1",
        Progress.SUCCEEDED,
        "success",
        template_id="loop",
        title=title,
        description=description,
        options=options,
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


words = st.lists(st.text(alphabet="abcäß", min_size=1, max_size=6), min_size=2, max_size=8).map(" ".join)


@given(sent=words, shown=words)
def test_another_text_among_the_options_is_refused(sent: str, shown: str) -> None:
    assert not is_own(told(prompt=f"{shown} x"), bought(options={"prompt": f"{sent} y"}))


@given(sent=words, end=st.integers(0, 40), shape=st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_text_that_the_vendor_spells_cuts_or_extends_is_the_own(sent: str, end: int, shape: str) -> None:
    spelled = unicodedata.normalize(shape, f" {sent.replace(' ', '  ').upper()}\r\n")  # type: ignore[arg-type]

    for shown in (spelled, spelled[:end], f"{spelled[:end]}…", f"{spelled}, cinematic", f"Film: {spelled}"):
        assert is_own(told(prompt=shown), bought(options={"prompt": sent}))


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (WALK, html.escape(WALK)),
        ("16:9", "landscape"),
        ("https://media.test/a.png", "https://vendor.test/uploads/7"),
        ("https://media.test/a.png", "a picture of yours"),
        ({"file": "a.png", "sha256": "0"}, "an upload of yours"),
        (3, "three of them"),
    ],
)
def test_value_in_another_form_proves_nothing(sent: Json, shown: str) -> None:
    assert is_own(told(given=shown), bought(options={"given": sent}))


@fails_without(
    "pipeline.engine.identity:assert_bought",
    "if purchase.id not in",
    swap=("purchase.id not in _wording(workflow) and ", ""),
)
def test_named_workflow_is_the_own_whatever_text_the_vendor_shows() -> None:
    purchase = bought(options={"prompt": "a walk"})

    assert is_own(told(description=f"spring {OWN}", prompt="Two shoes that run"), purchase)
