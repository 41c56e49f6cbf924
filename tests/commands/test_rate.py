"""`pipeline rate` sends the ratings of a review to the vendor, free of charge."""

import shutil

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator
from pipeline.emulator.workflow import Workflow

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign after a complete run."""
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


def workflow(project: Project, vendor: Emulator, key: str) -> Workflow:
    found = vendor.store.get(project.jobs()[key]["workflow_id"])
    assert found is not None
    return found


def test_rating_is_sent_to_the_vendor_and_changes_nothing_else(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    before = workflow(bought, vendor, WALK)

    ended = pipeline("rate", bought.manifest, WALK, "--rating", "5")

    assert ended.code == 0, ended.output
    after = workflow(bought, vendor, WALK)
    assert after.rating == "5"
    assert (after.title, after.delivered_at) == (before.title, before.delivered_at)
    assert not workflow(bought, vendor, DANCE).rating
    assert len(vendor.ledger.entries) == 2


def test_delivered_flag_is_sent_too(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    assert pipeline("rate", bought.manifest, WALK, DANCE, "--delivered").code == 0

    assert workflow(bought, vendor, WALK).delivered_at
    assert workflow(bought, vendor, DANCE).delivered_at
    assert not workflow(bought, vendor, WALK).rating


def test_rating_defaults_to_that_of_the_decisions(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline("approve", bought.manifest, WALK, "--rating", "4")

    assert pipeline("rate", bought.manifest, WALK).code == 0
    assert workflow(bought, vendor, WALK).rating == "4"
    assert pipeline("rate", bought.manifest, WALK, "--rating", "2").code == 0
    assert workflow(bought, vendor, WALK).rating == "2"


def test_nothing_to_send_is_wrong_usage(bought: Project, pipeline: Pipeline) -> None:
    ended = pipeline("rate", bought.manifest, WALK)

    assert ended.code == 64
    assert "there is no rating" in ended.err


def test_unknown_job_is_wrong_usage_with_a_suggestion(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("rate", bought.manifest, "main/loop/red/wlak", "--rating", "5")

    assert ended.code == 64
    assert f"did you mean '{WALK}'?" in ended.err


def test_unbought_job_cannot_be_rated(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("rate", project.manifest, WALK, "--rating", "5")

    assert ended.code == 64
    assert "nothing has been bought" in ended.err


def test_rating_is_sent_again_until_it_is_answered(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "put", "times": 2, "do": {"status": 503}})

    assert pipeline("rate", bought.manifest, WALK, "--rating", "5").code == 0
    assert workflow(bought, vendor, WALK).rating == "5"


def test_unreachable_vendor_is_reported(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    vendor.fail({"on": "put", "do": {"status": 503}})

    ended = pipeline("rate", bought.manifest, WALK, "--rating", "5")

    assert ended.code == 8
    assert "could not be sent to the vendor" in ended.err


@fails_without("pipeline.operations.rate:_tell", "assert_own(provider.get")
def test_workflow_of_another_campaign_in_the_results_is_not_touched(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    own, foreign = (bought.jobs()[key]["workflow_id"] for key in (WALK, DANCE))
    shutil.rmtree(bought.folder / ".pipeline")
    text = bought.results_file.read_text()
    bought.results_file.write_text(text.replace(foreign, "unheard-of").replace(own, foreign))

    ended = pipeline("rate", bought.manifest, WALK, "--rating", "1")

    assert ended.code == 3, ended.output
    found = vendor.store.get(foreign)
    assert found is not None
    assert not found.rating


def test_key_is_required(bought: Project, offline: Pipeline) -> None:
    assert offline("rate", bought.manifest, WALK, "--rating", "5").code == 5


def test_orphan_can_be_rated_by_its_id(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    mark, wid = bought.jobs()[WALK]["purchase"], bought.jobs()[WALK]["workflow_id"]
    bought.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})

    assert pipeline("rate", bought.manifest, mark[:8], "--rating", "3").code == 0
    found = vendor.store.get(wid)
    assert found is not None
    assert found.rating == "3"


class TestSeveral:
    """A rating that cannot be sent does not hold up the others."""

    @pytest.mark.parametrize("status", [400, 404, 503])
    def test_others_are_sent_and_the_failed_one_is_named(
        self, bought: Project, pipeline: Pipeline, vendor: Emulator, status: int
    ) -> None:
        vendor.fail({"on": "put", "match": {"title": "dance"}, "do": {"status": status}})

        ended = pipeline("rate", bought.manifest, DANCE, WALK, "--rating", "2")

        assert ended.code == 8, ended.output
        assert f"{DANCE} ({bought.jobs()[DANCE]['purchase']}): could not be sent to the vendor: " in ended.err
        assert WALK not in ended.err
        assert f"{WALK} ({bought.jobs()[WALK]['purchase']}): sent to the vendor" in ended.out
        assert workflow(bought, vendor, WALK).rating == "2"
        assert not workflow(bought, vendor, DANCE).rating

    def test_mismatched_workflow_does_not_stop_the_others(
        self, bought: Project, pipeline: Pipeline, vendor: Emulator
    ) -> None:
        foreign = bought.jobs()[DANCE]["workflow_id"]
        shutil.rmtree(bought.folder / ".pipeline")
        bought.results_file.write_text(bought.results_file.read_text().replace(foreign, "unheard-of"))

        ended = pipeline("rate", bought.manifest, DANCE, WALK, "--rating", "2")

        assert ended.code == 8, ended.output
        assert workflow(bought, vendor, WALK).rating == "2"

    @pytest.mark.parametrize("wrong", ["main/loop/red/wlak", "nosuch"])
    def test_all_names_are_checked_before_anything_is_sent(
        self, bought: Project, pipeline: Pipeline, vendor: Emulator, wrong: str
    ) -> None:
        ended = pipeline("rate", bought.manifest, DANCE, wrong, "--rating", "2")

        assert ended.code == 64, ended.output
        assert not workflow(bought, vendor, DANCE).rating

    def test_missing_rating_is_reported_before_anything_is_sent(
        self, bought: Project, pipeline: Pipeline, vendor: Emulator
    ) -> None:
        pipeline("approve", bought.manifest, DANCE, "--rating", "4")

        ended = pipeline("rate", bought.manifest, DANCE, WALK)

        assert ended.code == 64, ended.output
        assert f"{WALK}: there is no rating" in ended.err
        assert not workflow(bought, vendor, DANCE).rating

    def test_job_named_twice_is_sent_once(
        self, bought: Project, pipeline: Pipeline, vendor: Emulator
    ) -> None:
        ended = pipeline("rate", bought.manifest, WALK, bought.jobs()[WALK]["purchase"], "--rating", "2")

        assert ended.code == 0, ended.output
        assert ended.out.count("sent to the vendor") == 1
