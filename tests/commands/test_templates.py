"""`pipeline templates` shows the vendor's templates, from the catalogue or live."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.protection import fails_without

from pipeline.documents.yaml_reader import dump_yaml, read_yaml
from pipeline.emulator.embedded import Emulator
from pipeline.errors import Unfinished
from pipeline.jobs import MediaType
from pipeline.json_values import Json
from pipeline.manifest.catalog import Catalog
from pipeline.manifest.catalog_file import built_in, read_catalog
from pipeline.operations.live_catalogue import LiveTemplate, changes, read_live, write_catalogue
from pipeline.providers.base import VendorError


def test_built_in_catalogue_needs_neither_key_nor_network(offline: Pipeline) -> None:
    ended = offline("templates")

    assert ended.code == 0, ended.output
    assert "overlay_gray_5443" in ended.out
    assert "each_ugcproduct_0226" in ended.out
    assert "320 credits" in ended.out
    assert "price unknown" in ended.out


def test_template_is_shown_with_options_and_steps(offline: Pipeline) -> None:
    ended = offline("templates", "overlay_gray_5443")

    assert "background_urls" in ended.out
    assert "crop_to_content (image)" in ended.out
    assert "video_overlay (video)" in ended.out


def test_json_output_is_one_document(offline: Pipeline) -> None:
    listed = offline("templates", "--format", "json").document["templates"]

    by_id = {template["id"]: template for template in listed}
    assert by_id["overlay_only_1025"]["inputs"] == {"type": "video", "min": 1, "max": 1}
    assert by_id["each_createsong_0226"]["gives"] == "audio"


def test_unknown_template_is_an_error_with_a_suggestion(offline: Pipeline) -> None:
    ended = offline("templates", "overlay_grey_5443")

    assert ended.code == 64
    assert "did you mean 'overlay_gray_544" in ended.err


def test_live_catalogue_is_that_of_the_vendor(pipeline: Pipeline, vendor: Emulator) -> None:
    ended = pipeline("templates", "--refresh")

    assert ended.code == 0, ended.output
    assert "18 templates at the vendor" in ended.out
    assert pipeline("templates", "vim_arctic", "--refresh", "--format", "json").document["templates"]


@pytest.mark.parametrize(("url", "key", "code"), [("", None, 5), ("http://127.0.0.1:9", "k", 8)])
def test_live_catalogue_needs_a_key_and_a_vendor(
    pipeline: Pipeline, url: str, key: str | None, code: int
) -> None:
    pipeline.set("VIMMERSE_API_KEY", key)
    if url:
        pipeline.set("VIMMERSE_BASE_URL", url)

    assert pipeline("templates", "--refresh").code == code


def test_account_without_credit_ends_no_buying(pipeline: Pipeline, vendor: Emulator) -> None:
    """The list is free, so the code is that of a vendor who does not answer, as for every other GET."""
    vendor.fail({"on": "templates", "do": {"status": 402}})

    ended = pipeline("templates", "--refresh")

    assert ended.code == 8, ended.output
    assert "402" in ended.err


# Today's prices of the vendor


LISTED: Json = [
    {"id": "vim_arctic", "label": "Arctic", "credits": {"image": 10, "video": 100}},
    {"id": "each_explodedloop_0226", "label": "Loop", "credits": 100},
    {"id": "vim_harvest_2027", "label": "Harvest", "credits": 90, "options": ["slogan"]},
]


@pytest.fixture(name="listed")
def _listed(vendor: Emulator) -> None:
    """The vendor lists these templates today."""
    vendor.fail({"on": "templates", "do": {"status": 200, "body": {"data": LISTED}}})


@pytest.fixture
def kept(listed: None, project: Project, pipeline: Pipeline) -> Path:
    """A catalogue file written from the live catalogue."""
    ended = pipeline("templates", "--refresh", "--write", "prices.yaml")
    assert ended.code == 0, ended.output
    return project.folder / "prices.yaml"


def test_differences_from_the_known_catalogue_are_shown(listed: None, pipeline: Pipeline) -> None:
    lines = pipeline("templates", "--refresh").out.splitlines()

    assert "  ~ vim_arctic (Arctic): price unknown → image 10 credits, video 100 credits" in lines
    assert "  + vim_harvest_2027 (Harvest): new, 90 credits" in lines
    assert any(line.startswith("  - vim_birthday (") for line in lines)
    assert not any("each_explodedloop_0226" in line for line in lines)
    document = pipeline("templates", "--refresh", "--format", "json").document
    [arctic] = [each for each in document["changes"] if each["id"] == "vim_arctic"]
    assert arctic == {"change": "price", "id": "vim_arctic", "old": None, "new": {"image": 10, "video": 100}}


def test_live_prices_can_be_saved_as_a_catalogue_file(
    kept: Path, project: Project, pipeline: Pipeline
) -> None:
    manifest = spring(templates={"scene": {"template_id": "vim_arctic"}}, prompts={})
    project.write({"campaign.yaml": manifest})
    assert "price unknown" in pipeline("plan", project.manifest).out

    project.write({"campaign.yaml": {**manifest, "catalog": {"file": "prices.yaml"}}})

    planned = pipeline("plan", project.manifest)
    assert "price unknown" not in planned.out
    written = datetime.fromtimestamp(kept.stat().st_mtime, UTC).date().isoformat()
    assert f"Prices as of {written}." in planned.out
    assert pipeline("plan", project.manifest, "--format", "json").document["summary"]["prices_of"] == written
    assert pipeline("validate", project.manifest).code == 0


def test_rewriting_changes_only_what_changed(kept: Path, pipeline: Pipeline) -> None:
    before = kept.read_text()

    again = pipeline("templates", "--refresh", "--write", kept)

    assert again.code == 0, again.output
    assert kept.read_text() == before
    assert "~" not in again.out
    assert "+" not in again.out


def test_file_written_by_hand_is_left_alone(project: Project, pipeline: Pipeline) -> None:
    project.write({"mine.yaml": "version: 1\ntemplates: {}\n"})

    ended = pipeline("templates", "--refresh", "--write", "mine.yaml")

    assert ended.code == 64, ended.output
    assert (project.folder / "mine.yaml").read_text() == "version: 1\ntemplates: {}\n"


@pytest.mark.parametrize(
    "body",
    [
        *(
            {"message": "catalogue is being rebuilt"},
            {"data": {"message": "rebuilt"}},
            {"data": {"error": {"title": "Unavailable", "code": 503}}},
            {"data": {"status": {"code": 503}}},
            {"data": None},
            {"data": 7},
        ),
        *({"data": [{"name": "x"}, None]}, {"templates": ["vim_arctic"]}),
    ],
)
def test_answer_without_a_readable_template_is_an_error_and_changes_no_file(
    kept: Path, pipeline: Pipeline, vendor: Emulator, body: Json
) -> None:
    before = kept.read_bytes()
    vendor.clear_faults()
    vendor.fail({"on": "templates", "do": {"status": 200, "body": body}})

    for flags in ((), ("--write", str(kept)), ("vim_arctic",)):
        ended = pipeline("templates", "--refresh", *flags)
        assert ended.code == 8, ended.output
        assert "the answer contains no template that can be read" in ended.err

    assert kept.read_bytes() == before


@pytest.mark.parametrize("body", [{"data": []}, {"templates": {}}])
def test_empty_catalogue_never_replaces_prices(
    kept: Path, pipeline: Pipeline, vendor: Emulator, body: Json
) -> None:
    before = kept.read_bytes()
    vendor.clear_faults()
    vendor.fail({"on": "templates", "do": {"status": 200, "body": body}})

    ended = pipeline("templates", "--refresh", "--write", kept)

    assert ended.code == 8, ended.output
    assert "nothing is written: the vendor lists no template at all" in ended.err
    assert kept.read_bytes() == before
    assert "0 templates at the vendor" in pipeline("templates", "--refresh").out


UNREADABLE: list[Json] = [None, {"video": {"amount": 150}}, {"amount": 150}, "150 credits"]


def refreshed(path: Path, day: str, *templates: dict[str, Json]) -> Catalog:
    """The catalogue after a refresh of the file on a day on which the vendor lists these templates."""
    write_catalogue(path, read_live([*templates]), built_in(), day)
    return read_catalog(path, path.name)


def test_price_that_is_no_longer_listed_keeps_its_day(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    old: dict[str, Json] = {"id": "vim_arctic", "credits": 120}
    other: dict[str, Json] = {"id": "other", "credits": 8}
    refreshed(path, "2026-01-01", old, other)

    for day in ("2026-11-02", "2026-11-03"):
        written = refreshed(path, day, {"id": "vim_arctic"}, other)
        assert written.price("vim_arctic", {}) == 120
        assert written.price_date("vim_arctic") == "2026-01-01"
        assert written.price_date("other") == day
    assert refreshed(path, "2026-11-04", old, other).price_date("vim_arctic") == "2026-11-04"


def test_price_for_another_type_replaces_the_built_in_one(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    name = next(
        each.id
        for each in built_in().templates.values()
        if isinstance(each.credits, Mapping) and MediaType.AUDIO not in each.credits
    )
    live = read_live([{"id": name, "credits": {"audio": 20}}])

    write_catalogue(path, live, built_in(), "2026-11-02")

    written = read_catalog(path, path.name)
    assert written.templates[name].credits == {MediaType.AUDIO: 20}
    assert [each for each in changes(live, written) if each.kind == "price"] == []


@pytest.mark.parametrize(("price", "known"), [({"video": 30}, 30), ({"image": 30}, 30), (30, 30)])
def test_new_template_with_one_price_has_that_price(tmp_path: Path, price: Json, known: int) -> None:
    written = refreshed(tmp_path / "prices.yaml", "2026-11-02", {"id": "new_one", "credits": price})

    assert written.price("new_one", {}) == known


def test_price_of_a_new_template_is_that_of_what_is_asked_for(tmp_path: Path) -> None:
    price: Json = {"video": 30, "image": 3}
    written = refreshed(tmp_path / "prices.yaml", "2026-11-02", {"id": "new_one", "credits": price})

    assert written.price("new_one", {"pipeline_mode": "image"}) == 3
    assert written.price("new_one", {"pipeline_mode": "audio"}) is None
    assert written.price("new_one", {}) == 30


def test_what_a_person_added_to_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    listed: dict[str, Json] = {"id": "new_one", "credits": 30, "options": ["slogan", "speed"]}
    refreshed(path, "2026-11-02", listed, {"id": "gone", "credits": 5}, {"id": "dropped", "credits": 5})
    head = path.read_text("utf-8").splitlines()[0]
    document: Any = read_yaml(path, path.name).root.plain()
    added = {"inputs": {"type": "image", "min": 2, "max": 2}, "gives": "video", "steps": {"crop": "image"}}
    document["templates"]["new_one"] |= added
    document["templates"]["new_one"]["options"]["speed"] = {"type": "integer", "minimum": 1}
    document["templates"]["gone"] |= {"gives": "image"}
    path.write_text(f"{head}\n{dump_yaml(document)}", "utf-8")

    refreshed(path, "2026-11-03", {**listed, "credits": 31})

    now: Any = read_yaml(path, path.name).root.plain()
    expected = document["templates"]["new_one"] | {"credits": 31}
    gone = document["templates"]["gone"] | {"as_of": "2026-11-02"}
    assert now["templates"] == {"new_one": expected, "gone": gone}


def test_comments_in_the_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    listed: dict[str, Json] = {
        "id": "new_one",
        "credits": 30,
        "title": "Don't",
        "description": "a: # b",
        "options": ["speed"],
    }
    refreshed(path, "2026-11-02", listed, {"id": "other", "credits": 5})
    head, version, *rest = path.read_text("utf-8").splitlines()
    written = "\n".join([head, "# Ours.", "", "# Ask Kim.", version, *rest, "# The end."])
    written = written.replace(
        "credits: 30", "# Agreed\n\n    # in March.\n    credits: 30  # it's the 'net' price"
    )
    written = written.replace("  other:", "  # Seldom used.\n  other: # by us").replace(
        "Don't", "Don't # isn't"
    )
    written = written.replace(
        "    title",
        "    gives: video\n    inputs:  # two\n      type: image\n      min: 1\n      max: 2\n    title",
    )
    path.write_text(f"{written}\n", "utf-8")

    refreshed(path, "2026-11-03", {**listed, "credits": 31}, {"id": "other", "credits": 6})

    text = path.read_text("utf-8")
    assert text.startswith(f"{head}\n# Ours.\n# Ask Kim.\n{version}\n")
    assert "    # Agreed\n    # in March.\n    credits: 31  # it's the 'net' price\n" in text
    assert "  # Seldom used.\n  other:  # by us\n" in text
    assert "    # isn't\n    title: Don't\n    description: 'a: # b'\n" in text
    assert "    inputs:  # two\n" in text
    assert text.endswith("# The end.\n")
    refreshed(path, "2026-11-03", {**listed, "credits": 31}, {"id": "other", "credits": 6})
    assert path.read_text("utf-8") == text


@fails_without("pipeline.operations.live_catalogue:write_catalogue", "if own and")
@pytest.mark.parametrize("price", UNREADABLE)
def test_answer_without_a_readable_price_never_replaces_prices(
    kept: Path, pipeline: Pipeline, vendor: Emulator, price: Json
) -> None:
    before = kept.read_bytes()
    assert b"credits" in before
    vendor.clear_faults()
    listed: Json = [{"id": "vim_arctic", "credits": price}, {"id": "overlay_gray_5443"}]
    vendor.fail({"on": "templates", "do": {"status": 200, "body": {"data": listed}}})

    ended = pipeline("templates", "--refresh", "--write", kept)

    assert ended.code == 8, ended.output
    assert "nothing is written: the vendor lists no price in a known form" in ended.err
    assert kept.read_bytes() == before


@pytest.mark.parametrize("price", UNREADABLE)
def test_template_keeps_its_price_if_the_new_one_cannot_be_read(tmp_path: Path, price: Json) -> None:
    path = tmp_path / "prices.yaml"
    ours = ("vim_arctic", "own_template")
    write_catalogue(
        path, read_live([{"id": each, "credits": 4321} for each in ours]), built_in(), "2026-11-02"
    )

    changed: Json = [*({"id": each, "credits": price} for each in ours), {"id": "other", "credits": 8}]
    write_catalogue(path, read_live(changed), built_in(), "2026-11-03")

    written = read_catalog(path, path.name)
    assert {each: written.templates[each].credits for each in (*ours, "other")} == {
        "vim_arctic": 4321,
        "own_template": 4321,
        "other": 8,
    }


@pytest.mark.parametrize("flags", [("--write", "x.yaml"), ("vim_arctic", "--refresh", "--write", "x.yaml")])
def test_only_the_whole_live_catalogue_can_be_saved(
    project: Project, pipeline: Pipeline, flags: tuple[str, ...]
) -> None:
    assert pipeline("templates", *flags).code == 64
    assert not (project.folder / "x.yaml").exists()


def test_plan_shows_the_date_of_the_built_in_prices(project: Project, offline: Pipeline) -> None:
    assert "Prices as of 20" in offline("plan", project.manifest).out

    own = spring(catalog={"credits": {"each_explodedloop_0226": 7}})
    project.write({"campaign.yaml": own})
    assert "Prices as of" not in offline("plan", project.manifest).out


# The format of the vendor's answer is undocumented


@pytest.mark.parametrize(
    "document",
    [
        [{"id": "a_b", "label": "A", "credits": 5, "options": ["x"]}],
        {"templates": [{"template_id": "a_b", "title": "A", "credits": 5, "options": [{"name": "x"}]}]},
        {"data": {"a_b": {"label": "A", "credits": 5, "options": {"x": {}}}}},
    ],
)
def test_templates_are_read_from_any_likely_format(document: Json) -> None:
    assert read_live(document) == [LiveTemplate(id="a_b", title="A", credits=5, options=("x",))]


@pytest.mark.parametrize(
    ("price", "read"),
    [
        ({"image": 10, "video": 100, "hologram": 5}, {MediaType.IMAGE: 10, MediaType.VIDEO: 100}),
        ({"image": 10.0, "video": "100"}, {MediaType.IMAGE: 10, MediaType.VIDEO: 100}),
        *((each, 12) for each in (12, 12.0, "12", "12.0")),
        (True, None),
        (12.5, None),
        (-1, None),
        (10**12, None),
        ({}, None),
    ],
)
def test_price_is_a_whole_number_in_any_form_or_unknown(price: Json, read: object) -> None:
    [template] = read_live([{"id": "a_b", "credits": price}])
    assert template.credits == read


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "template_id", "credits", "options", "label", "data", "templates", "video"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(junk)
def test_saved_file_is_a_valid_catalogue_whatever_the_vendor_answers(
    tmp_path_factory: Any, answer: Json
) -> None:
    path = tmp_path_factory.mktemp("catalogue") / "prices.yaml"

    try:
        write_catalogue(path, read_live(answer), built_in(), "2026-11-02")
    except (VendorError, Unfinished):
        assert not path.exists()
    else:
        read_catalog(path, path.name)


@pytest.mark.parametrize(
    "listed", [{"description": "\u2028" * 1000}, {"options": [f"n{n}" for n in range(100)]}]
)
def test_catalogue_that_could_not_be_read_back_is_not_written(
    tmp_path: Path, listed: dict[str, Json]
) -> None:
    path = tmp_path / "prices.yaml"
    many: list[Json] = [{"id": f"a_{number}", **listed} for number in range(1_200)]
    write_catalogue(path, read_live(many[:1]), built_in(), "2026-11-02")
    before = path.read_bytes()

    with pytest.raises(Unfinished, match=r"nothing is written, as it could not be read again"):
        write_catalogue(path, read_live(many), built_in(), "2026-11-02")

    assert path.read_bytes() == before
