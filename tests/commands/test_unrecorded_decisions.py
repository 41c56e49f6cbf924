"""Decisions on purchases that no record here has: what is approved is not bought again before someone says so."""

import shutil
from collections.abc import Callable

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.protection import fails_without

import pipeline as public
from pipeline.emulator.embedded import Emulator
from pipeline.errors import InvalidInput

WALK, DANCE = "main/loop/red/walk", "main/loop/red/dance"
SAID = (
    "spring.decisions.yaml: has decisions on 1 purchase that neither spring.results.json nor the state has: "
)
NEW = {"walk": "a run", "dance": "a dance in the rain"}


def decide(project: Project, pipeline: Pipeline, *words: str) -> str:
    """The decision of a colleague on a take of theirs, whose results they forget to commit; returns the purchase."""
    assert pipeline("run", project.manifest).code == 0
    before = project.results_file.read_bytes()
    project.write({"campaign.yaml": spring(prompts=NEW)})
    assert pipeline("run", project.manifest).code == 0
    purchase: str = project.jobs()[WALK]["purchase"]
    assert pipeline(words[0], project.manifest, WALK, *words[1:]).code == 0
    shutil.rmtree(project.folder / ".pipeline")
    shutil.rmtree(project.folder / "output")
    (project.folder / "theirs.json").write_bytes(project.results_file.read_bytes())
    project.results_file.write_bytes(before)
    return purchase


@pytest.fixture
def approved(project: Project, pipeline: Pipeline) -> str:
    """The purchase that is approved, and that no record here has."""
    return decide(project, pipeline, "approve")


@fails_without(
    "pipeline.operations.run:CampaignRun.carry_out", "assert_nothing_approved_is_bought(state.workspace"
)
@pytest.mark.usefixtures("approved")
@pytest.mark.parametrize("words", [["run", "--yes"], ["run", "--yes", "--select", WALK]], ids=" ".join)
def test_run_buys_nothing(project: Project, pipeline: Pipeline, vendor: Emulator, words: list[str]) -> None:
    bought, before = len(vendor.ledger.entries), project.results_file.read_bytes()

    ended = pipeline(words[0], project.manifest, *words[1:])

    assert ended.code == 3, ended.output
    assert f"{SAID}{WALK} (" in ended.err
    assert len(vendor.ledger.entries) == bought
    assert project.results_file.read_bytes() == before


@pytest.mark.parametrize("command", ["plan", "status"])
def test_commands_that_only_read_warn_once(
    project: Project, offline: Pipeline, approved: str, command: str
) -> None:
    ended = offline(command, project.manifest)

    assert ended.code == 0, ended.output
    assert ended.err.count(f"{SAID}{WALK} ({approved})") == 1
    assert f"`pipeline undecide campaign.yaml {approved}`" in ended.err


@pytest.mark.usefixtures("approved")
def test_verify_and_doctor_tell_it(project: Project, pipeline: Pipeline) -> None:
    verified, examined = pipeline("verify", project.manifest), pipeline("doctor", project.manifest)

    assert verified.code == 1
    assert SAID in verified.out
    assert examined.code == 3
    assert SAID in examined.out


@pytest.mark.usefixtures("approved")
def test_python_functions_tell_it(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    bought = len(vendor.ledger.entries)

    assert any(SAID in str(each) for each in public.plan(project.manifest).warnings)
    with pytest.raises(InvalidInput, match="has decisions on 1 purchase"):
        public.run(project.manifest)
    assert len(vendor.ledger.entries) == bought


@pytest.mark.usefixtures("approved")
def test_with_the_results_that_have_it_nothing_is_bought_again(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest, "--yes").code == 3
    bought = len(vendor.ledger.entries)
    joined = pipeline(
        "merge", project.results_file, project.folder / "theirs.json", "--out", project.results_file
    )
    assert joined.code == 0

    ended = pipeline("run", project.manifest, "--yes")

    assert ended.code == 0, ended.output
    assert "decisions on" not in ended.output
    assert len(vendor.ledger.entries) == bought


def test_who_takes_the_approval_back_buys(
    project: Project, pipeline: Pipeline, vendor: Emulator, approved: str
) -> None:
    bought = len(vendor.ledger.entries)

    ended = pipeline("undecide", project.manifest, approved)

    assert ended.code == 0, ended.output
    assert f"{WALK} ({approved}): no longer decided" in ended.out
    assert pipeline("run", project.manifest, "--yes").code == 0
    assert len(vendor.ledger.entries) == bought + 1


@pytest.mark.usefixtures("approved")
@pytest.mark.parametrize("flags", [["--select", DANCE], ["--replace", WALK]], ids=" ".join)
def test_other_jobs_and_those_that_are_to_be_replaced_are_bought(
    project: Project, pipeline: Pipeline, flags: list[str]
) -> None:
    ended = pipeline("run", project.manifest, "--yes", *flags)

    assert ended.code == 0, ended.output
    assert SAID in ended.output


@pytest.mark.usefixtures("approved")
def test_what_is_paid_for_is_fetched(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert len(project.output()) == 2


@pytest.mark.usefixtures("approved")
def test_a_gallery_of_the_results_alone_is_made(project: Project, offline: Pipeline) -> None:
    assert offline("report", project.results_file).code == 0


def test_a_take_that_was_sent_back_is_only_told(project: Project, pipeline: Pipeline) -> None:
    decide(project, pipeline, "redo")

    assert SAID in pipeline("plan", project.manifest).err
    assert pipeline("run", project.manifest, "--yes").code == 0


def test_a_rejected_one_may_have_turned_out_void(project: Project, pipeline: Pipeline) -> None:
    decide(project, pipeline, "reject")

    ended = pipeline("run", project.manifest, "--yes")

    assert ended.code == 0
    assert "decisions on" not in ended.output


def test_rehearsal_and_real_records_know_nothing_of_each_other(project: Project, pipeline: Pipeline) -> None:
    for emulate in ([], ["--emulate"]):
        assert pipeline("run", project.manifest, "--yes", *emulate).code == 0
        assert pipeline("approve", project.manifest, WALK, *emulate).code == 0
    project.write({"campaign.yaml": spring(prompts=NEW)})
    for emulate in ([], ["--emulate"]):
        ended = pipeline("run", project.manifest, "--yes", *emulate)
        assert ended.code == 0, ended.output
        assert "decisions on" not in ended.output


def test_records_of_a_trial_run_need_not_have_what_is_approved(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    """As in docs/how-to/faults.md: state and results are the operator's choice, and the decisions are shared."""
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("approve", project.manifest, WALK).code == 0
    bought = len(vendor.ledger.entries)
    (project.folder / "trial").mkdir()

    ended = pipeline(
        "run",
        project.manifest,
        "--yes",
        *("--state", "trial/state.db", "--results", "trial/", "--output", "trial/"),
    )

    assert ended.code == 0, ended.output
    assert "decisions on" not in ended.output
    assert len(vendor.ledger.entries) == bought + 2


def _nothing(_project: Project, _pipeline: Pipeline) -> None: ...


def _destroy(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("destroy", project.manifest, "--yes").code == 0


def _edit_and_prune(project: Project, pipeline: Pipeline) -> None:
    project.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})
    assert pipeline("prune", project.manifest, "--yes").code == 0
    project.write({"campaign.yaml": spring()})


@pytest.mark.parametrize("end", [_nothing, _destroy, _edit_and_prune])
@pytest.mark.parametrize("has_state", [True, False])
def test_what_was_made_and_deleted_stays_recorded(
    project: Project,
    pipeline: Pipeline,
    end: Callable[[Project, Pipeline], None],
    has_state: bool,
) -> None:
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("approve", project.manifest, WALK).code == 0
    end(project, pipeline)
    if not has_state:
        shutil.rmtree(project.folder / ".pipeline")

    ended = pipeline("run", project.manifest, "--yes")

    assert ended.code == 0, ended.output
    assert "decisions on" not in ended.output


@pytest.mark.parametrize("has_state", [True, False])
def test_results_of_shards_have_it(project: Project, pipeline: Pipeline, has_state: bool) -> None:
    shards = [f"{index}/2" for index in (1, 2)]
    for shard in shards:
        assert pipeline("run", project.manifest, "--shard", shard).code == 0
    assert pipeline("approve", project.manifest, WALK, DANCE).code == 0
    if not has_state:
        shutil.rmtree(project.folder / ".pipeline")
    project.write({"campaign.yaml": spring(prompts={**NEW, "more": "a jump"})})
    for shard in shards:
        ended = pipeline("run", project.manifest, "--yes", "--shard", shard)
        assert ended.code == 0, ended.output
        assert "decisions on" not in ended.output


def test_without_its_results_the_state_has_it(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("approve", project.manifest, WALK).code == 0
    project.results_file.unlink()
    project.write({"campaign.yaml": spring(prompts=NEW)})

    ended = pipeline("run", project.manifest, "--yes")

    assert ended.code == 0, ended.output
    assert "decisions on" not in ended.output


def test_a_name_in_a_decision_is_shown_without_control_characters(
    project: Project, offline: Pipeline
) -> None:
    """A decisions file may be a stranger's."""
    decision = '{"purchase": "00000000000000aa", "key": "main/\\u001b[31m", "decision": "approved"}'
    (project.folder / "spring.decisions.yaml").write_text(f'{{"version": 1, "decisions": [{decision}]}}')

    assert "\x1b" not in offline("status", project.manifest).err
