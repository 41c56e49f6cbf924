"""`command: plan` and `command: comment` of the action: what a pull request shows."""

import json
import re
import shutil
from collections.abc import Callable, Iterator

import pytest

from ci.conftest import MANIFEST
from ci.forge import Forge, open_forge
from ci.hosting import Machine
from pipeline.emulator.embedded import Emulator

MARKER = "<!-- campaign-pipeline: plan campaigns/ -->"
PULL_REQUEST = {"pull_request": {"number": 7, "head": {"sha": "abc"}}}
FORK = {
    "workflow_run": {
        "head_repository": {"owner": {"login": "stranger"}},
        "head_branch": "$(touch hacked)",
        "head_sha": "abc",
    }
}

Machines = Callable[..., Machine]


@pytest.fixture
def forge() -> Iterator[Forge]:
    with open_forge() as running:
        yield running


@pytest.fixture
def pull_request(machine: Machines, forge: Forge) -> Machine:
    """A machine that has checked out a pull request."""
    made = machine()
    made.environment["GITHUB_API_URL"] = forge.url
    return made


def test_pull_request_shows_what_it_would_buy_in_the_summary_and_one_comment(
    pull_request: Machine, forge: Forge, vendor: Emulator
) -> None:
    first = pull_request.uses(PULL_REQUEST, campaigns="campaigns/")
    again = pull_request.uses(PULL_REQUEST, campaigns="campaigns/")

    assert (first.code, again.code) == (0, 0), first.log + again.log
    assert "buys 2: 200 credits" in first.summary
    [comment] = forge.texts()
    assert comment.startswith(f"{MARKER}\n\n## Campaign plan\n\nOf commit abc\n")
    assert "- `spring`: 2 create; **buys 2: 200 credits**" in comment
    assert "  + main/loop/red/dance  create (100 credits): new" in comment
    assert first.outputs | {"matrix": "", "all": ""} == {
        "plan": str(pull_request.temp / "campaign-plan.md"),
        "plan-json": "campaign-plans",
        "changes": "true",
        "creates": "2",
        "credits": "200",
        "exit-code": "0",
        "matrix": "",
        "all": "",
    }
    assert json.loads(first.outputs["matrix"]) == [
        {"campaign": "spring", "manifest": MANIFEST, "plan": "campaign-plans/spring.plan.json"}
    ]
    assert forge.writes()[-1] == "PATCH /repos/team/campaigns/issues/comments/1"
    assert forge.tokens == {"Bearer token-of-the-job"}
    assert vendor.ledger.entries == ()


def test_invalid_campaign_is_annotated_and_its_problems_replace_an_older_plan(
    pull_request: Machine, forge: Forge
) -> None:
    pull_request.uses(PULL_REQUEST, campaigns="campaigns/")
    manifest = pull_request.workspace / MANIFEST
    manifest.write_text(manifest.read_text().replace('"prompts"', '"promts"'))

    job = pull_request.uses(PULL_REQUEST, campaigns="campaigns/")

    assert job.code == 3, job.log
    assert "::error file=campaigns/spring.yaml,line=" in job.log
    assert "are invalid" in job.summary
    [comment] = forge.texts()
    assert "**Not valid:**" in comment
    assert f"{MANIFEST}:" in comment
    assert "did you mean 'prompts'" in comment
    assert "buys 2" not in comment


def test_without_permission_to_comment_the_summary_is_enough(pull_request: Machine, forge: Forge) -> None:
    forge.may_write = False

    job = pull_request.uses(PULL_REQUEST, campaigns="campaigns/")

    assert job.code == 0, job.log
    assert "may not comment (403)" in job.log
    assert "buys 2" in job.summary
    assert forge.texts() == []


@pytest.mark.parametrize(("command", "code"), [("plan", 0), ("comment", 1)])
def test_trouble_of_the_forge_decides_only_a_job_that_does_nothing_else(
    pull_request: Machine, forge: Forge, command: str, code: int
) -> None:
    pull_request.uses(PULL_REQUEST, campaigns="campaigns/")
    forge.trouble = [502] * 9

    job = pull_request.uses(PULL_REQUEST, campaigns="campaigns/", command=command)

    assert job.code == code, job.log
    assert "The comment was not written: HTTP Error 502" in job.log


def test_without_a_token_no_request_is_sent(pull_request: Machine, forge: Forge) -> None:
    job = pull_request.uses(PULL_REQUEST, command="comment", token="")

    assert job.code == 0, job.log
    assert "No token, so no comment" in job.log
    assert forge.calls == []


def test_only_our_own_comment_is_updated_on_whichever_page_it_is(pull_request: Machine, forge: Forge) -> None:
    forge.add(f"{MARKER} look, I can write this too", 2, "User")
    for number in range(120):
        forge.add(f"I say {number}", 2, "User")
    forge.add(f"{MARKER} an older plan", 1, "Bot")

    pull_request.uses(PULL_REQUEST, campaigns="campaigns/")

    assert forge.texts()[0] == f"{MARKER} look, I can write this too"
    assert len(forge.texts()) == 122
    assert "buys 2" in forge.texts()[-1]


def test_older_job_changes_nothing(pull_request: Machine, forge: Forge) -> None:
    forge.head = "def"

    job = pull_request.uses(PULL_REQUEST, campaigns="campaigns/")

    assert job.code == 0, job.log
    assert "the request has moved on" in job.log
    assert forge.texts() == []


def test_several_plans_have_separate_comments(pull_request: Machine, forge: Forge) -> None:
    for _ in range(2):
        pull_request.uses(PULL_REQUEST, campaigns="campaigns/")
        pull_request.uses(PULL_REQUEST, campaigns=MANIFEST)
        pull_request.uses(PULL_REQUEST, campaigns=MANIFEST, **{"comment-id": "other --> <b>"})

    plain, manifest, other = [text.splitlines()[0] for text in forge.texts()]
    assert (plain, manifest) == (MARKER, f"<!-- campaign-pipeline: plan {MANIFEST} -->")
    assert re.fullmatch(r"<!-- campaign-pipeline: plan other -- b [0-9a-f]{12} -->", other)


def test_manifest_outside_the_checkout_is_named_in_one_line(pull_request: Machine) -> None:
    outside = pull_request.workspace.parent / "campaigns"
    shutil.copytree(pull_request.workspace / "campaigns", outside)

    job = pull_request.uses(campaigns=f"{outside}/")

    assert job.code == 64, job.log
    assert f"{outside / 'spring.yaml'} is outside this checkout" in job.log
    assert "Traceback" not in job.log


def test_results_beside_the_manifest_are_those_of_the_checkout(pull_request: Machine) -> None:
    job = pull_request.uses(campaigns="campaigns/", results="beside")

    assert job.code == 0, job.log
    assert "buys 2" in job.summary
    assert not (pull_request.workspace / ".campaign-results").exists()


def test_another_location_of_results_is_wrong_usage(pull_request: Machine) -> None:
    job = pull_request.uses(campaigns="campaigns/", results="nowhere")

    assert job.code == 64
    assert "expected 'branch' or 'beside'" in job.log


@pytest.mark.parametrize("command", ["plan", "run"])
def test_variable_for_the_exit_code_of_a_plan_changes_no_step(pull_request: Machine, command: str) -> None:
    pull_request.environment["PIPELINE_DETAILED_EXITCODE"] = "1"

    job = pull_request.uses(command=command, campaigns=MANIFEST, first="spring")

    assert (job.code, job.outputs["exit-code"]) == (0, "0"), job.log


def test_link_in_a_pull_request_is_not_followed(pull_request: Machine) -> None:
    elsewhere = pull_request.temp / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    (pull_request.workspace / ".campaign-results").symlink_to(elsewhere)

    job = pull_request.uses(campaigns="campaigns/")

    assert job.code == 0, job.log
    assert (elsewhere / "kept").read_text() == "kept"


class TestFromAFork:
    """The plan was made by the fork's workflow, so it may contain anything."""

    @pytest.fixture
    def requested(self, pull_request: Machine, forge: Forge) -> Machine:
        forge.requests.append({"label": "stranger:$(touch hacked)", "number": 9, "head": {"sha": "abc"}})
        return pull_request

    def write(self, requested: Machine, reason: str, changes: object = ()) -> None:
        action = {"key": "a", "action": "create", "reason": reason, "credits": 1, "changes": changes}
        summary = {"actions": {"create": 1}, "creates": 1, "credits": 1, "unpriced": 0}
        plan = {"campaign": "@team *x*", "manifest": "x.yaml", "actions": [action], "summary": summary}
        folder = requested.workspace / "campaign-plans"
        folder.mkdir(exist_ok=True)
        (folder / "x.plan.json").write_text(json.dumps(plan))

    def test_plan_is_posted_as_data_on_its_own_request(self, requested: Machine, forge: Forge) -> None:
        long = "x" * 70_000
        change = {"name": "options.prompt", "old": f"{long} old", "new": f"{long} new"}
        self.write(requested, "`touch hacked` $(touch hacked)\n```\n</details>\n::error::x", [change] * 100)

        job = requested.uses(FORK, command="comment", campaigns="campaigns/")

        assert job.code == 0, job.log
        assert forge.writes() == ["POST /repos/team/campaigns/issues/9/comments"]
        [posted] = forge.texts()
        assert posted.startswith(f"{MARKER}\n\n## Campaign plan\n\n_Made by the workflow of a fork")
        assert "- `@team *x*`: 1 create" in posted
        assert r"$(touch hacked)\n```\n</details>\n::error::x" in posted
        assert "\n````\n" in posted
        assert " old → …x" in posted
        assert len(posted) <= 60_000
        assert "::error::x" not in job.log
        assert not list(requested.workspace.rglob("hacked"))

    def test_plan_is_not_posted_if_the_request_has_changed(self, requested: Machine, forge: Forge) -> None:
        forge.requests[0]["head"]["sha"] = "def"
        self.write(requested, "new")

        job = requested.uses(FORK, command="comment")

        assert job.code == 0, job.log
        assert "moved on" in job.log
        assert forge.texts() == []

    @pytest.mark.parametrize("text", ["Please approve", "[]", '{"summary": 1}', "[" * 100_000])
    def test_invalid_plan_is_not_posted(self, requested: Machine, forge: Forge, text: str) -> None:
        self.write(requested, "new")
        (requested.workspace / "campaign-plans" / "x.plan.json").write_text(text)

        job = requested.uses(FORK, command="comment")

        assert job.code == 1, job.log
        assert "Traceback" not in job.log
        assert forge.texts() == []

    def test_link_is_not_followed(self, requested: Machine, forge: Forge) -> None:
        self.write(requested, "a secret")
        plan = requested.workspace / "campaign-plans" / "x.plan.json"
        plan.rename(requested.temp / "secret")
        plan.symlink_to(requested.temp / "secret")

        job = requested.uses(FORK, command="comment")

        assert job.code == 1, job.log
        assert forge.texts() == []
