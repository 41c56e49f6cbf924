"""Takes that are approved while a run goes on: nothing more is bought for their jobs, and their files stay."""

import shlex
import sys
from collections.abc import Callable

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.processes import Running
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"
EDITED = spring(prompts={"walk": "a run", "dance": "a waltz"})


def take(project: Project, key: str) -> str:
    found: str = project.jobs()[key]["purchase"]
    return found


def digest(project: Project, key: str) -> str:
    found: str = project.jobs()[key]["outputs"][0]["sha256"]
    return found


def command(*words: str) -> str:
    return shlex.join([sys.executable, "-m", "pipeline", *words])


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign after a complete run."""
    assert pipeline("run", project.manifest).code == 0
    return project


def assert_at_rest(project: Project, pipeline: Pipeline) -> None:
    """Manifest, state, results and files agree, and the next run has nothing to do."""
    checked = pipeline("verify", project.manifest, "--files")
    assert checked.code == 0, checked.output
    planned = pipeline("plan", project.manifest, "--detailed-exitcode")
    assert planned.code == 0, planned.output


@fails_without(
    "pipeline.operations.run:CampaignRun._execute",
    "runner = Runner(",
    swap=("self._decisions.read", "lambda: None"),
)
def test_job_is_not_bought_again_if_its_take_is_approved_during_the_run(
    bought: Project, pipeline: Pipeline, vendor: Emulator, start: Callable[..., Running]
) -> None:
    kept, file = take(bought, WALK), digest(bought, WALK)
    bought.write({"campaign.yaml": EDITED})

    approve = command("approve", "campaign.yaml", kept)
    ended = start("run", bought.manifest, "--yes", "--checkpoint", approve).ended()

    assert ended.code == 0, ended.output
    assert "1 job not bought: a take of it was approved during this run" in ended.output
    assert "2 done." in ended.output
    assert len(vendor.ledger.entries) == 3
    assert (take(bought, WALK), digest(bought, WALK)) == (kept, file)
    assert_at_rest(bought, pipeline)


@fails_without(
    "pipeline.operations.decisions_during_run:DecisionsDuringRun.put_in_place", "self._outputs.put("
)
def test_file_of_a_take_approved_after_another_one_was_bought_is_put_in_place(
    bought: Project, pipeline: Pipeline, vendor: Emulator, start: Callable[..., Running]
) -> None:
    kept = take(bought, DANCE)
    bought.write({"campaign.yaml": EDITED})

    # The command runs before each create is sent: at the second one, what was bought first is in place.
    approve = f"if test -e one; then {command('approve', 'campaign.yaml', kept)}; else touch one; fi"
    ended = start("run", bought.manifest, "--yes", "--in-flight", "1", "--checkpoint", approve).ended()

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 4
    assert take(bought, DANCE) == kept
    assert_at_rest(bought, pipeline)


def test_what_was_bought_again_is_not_counted_as_left_if_its_earlier_take_is_approved_meanwhile(
    bought: Project, pipeline: Pipeline, vendor: Emulator, start: Callable[..., Running]
) -> None:
    approve = command("approve", "campaign.yaml", take(bought, DANCE), take(bought, WALK))

    # The command runs before each create is sent: at the second one, one of two was bought.
    approve = f"if test -e one; then {approve}; else touch one; fi"
    flags = ("--yes", "--replace", "**", "--in-flight", "1", "--checkpoint", approve)
    ended = start("run", bought.manifest, *flags).ended()

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 3
    assert "2 done.\n1 of these was to be bought again, and was not.\n" in ended.output


@pytest.mark.parametrize(
    ("becomes", "says"),
    [
        ("printf '<<<<<<< HEAD\\n' >> spring.decisions.yaml", "an unresolved merge conflict"),
        ("rm -f spring.decisions.yaml", "spring.decisions.yaml: gone since this run began"),
    ],
)
def test_nothing_more_is_bought_once_the_decisions_cannot_be_read(
    bought: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    start: Callable[..., Running],
    becomes: str,
    says: str,
) -> None:
    assert pipeline("reject", bought.manifest, take(bought, WALK)).code == 0
    before = (bought.folder / "spring.decisions.yaml").read_text()
    bought.write({"campaign.yaml": EDITED})

    # The command runs before each create is sent: the second time, after a purchase.
    damage = f"if test -e one; then {becomes}; else touch one; fi"
    ended = start("run", bought.manifest, "--yes", "--in-flight", "1", "--checkpoint", damage).ended()

    assert ended.code == 3, ended.output
    assert ended.output.count(says) == 1
    assert (
        "nothing more is bought, as takes may be approved in it. Correct or restore it, and run"
        in ended.output
    )
    assert "the results have only the decisions from before this run" in ended.output
    assert len(vendor.ledger.entries) == 3

    (bought.folder / "spring.decisions.yaml").write_text(before)
    assert pipeline("run", bought.manifest).code == 0
    assert_at_rest(bought, pipeline)
