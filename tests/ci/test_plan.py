"""`command: plan` and `command: comment` of the action: what a pull request shows."""

from collections.abc import Callable, Iterator

import pytest

from ci.conftest import MANIFEST
from ci.forge import Forge, open_forge
from ci.hosting import Machine
from pipeline.emulator.embedded import Emulator

MARKER = "<!-- campaign-pipeline: plan -->"
PULL_REQUEST = {"pull_request": {"number": 7}}
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


def test_a_pull_request_shows_what_it_would_buy_in_the_summary_and_in_one_comment(
    pull_request: Machine, forge: Forge, vendor: Emulator
) -> None:
    first = pull_request.uses(PULL_REQUEST, campaigns="campaigns/")
    again = pull_request.uses(PULL_REQUEST, campaigns=MANIFEST)

    assert (first.code, again.code) == (0, 0), first.said + again.said
    assert first.summary.startswith(MARKER)
    assert "buys 2: 200 credits" in first.summary
    assert [text.rstrip() for text in forge.texts()] == [first.summary.rstrip()]
    assert forge.calls[-1] == "PATCH /repos/team/campaigns/issues/comments/1"
    assert forge.tokens == {"Bearer token-of-the-job"}
    assert vendor.ledger.entries == ()


def test_a_campaign_that_is_not_valid_is_annotated_at_its_line(pull_request: Machine, forge: Forge) -> None:
    manifest = pull_request.workspace / MANIFEST
    manifest.write_text(manifest.read_text().replace('"prompts"', '"promts"'))

    job = pull_request.uses(PULL_REQUEST, campaigns="campaigns/")

    assert job.code == 3, job.said
    assert "::error file=campaigns/spring.yaml,line=" in job.said
    assert "not valid" in job.summary
    assert forge.texts() == []


def test_where_the_token_may_not_comment_the_summary_is_enough(pull_request: Machine, forge: Forge) -> None:
    forge.may_write = False

    job = pull_request.uses(PULL_REQUEST, campaigns="campaigns/")

    assert job.code == 0, job.said
    assert "may not comment (403)" in job.said
    assert "buys 2" in job.summary
    assert forge.texts() == []


def test_without_a_token_nobody_is_asked(pull_request: Machine, forge: Forge) -> None:
    job = pull_request.uses(PULL_REQUEST, command="comment", token="")

    assert job.code == 0, job.said
    assert "No token, so no comment" in job.said
    assert forge.calls == []


def test_a_comment_of_somebody_else_is_not_changed_and_ours_is_found_on_any_page(
    pull_request: Machine, forge: Forge
) -> None:
    forge.add(f"{MARKER} look, I can write this too", 2, "User")
    for number in range(120):
        forge.add(f"I say {number}", 2, "User")
    forge.add(f"{MARKER} an older plan", 1, "Bot")
    (pull_request.workspace / "campaign-plan.md").write_text(f"{MARKER} a newer plan")

    pull_request.uses(PULL_REQUEST, command="comment")

    assert forge.texts()[0] == f"{MARKER} look, I can write this too"
    assert len(forge.texts()) == 122
    assert forge.texts()[-1] == f"{MARKER} a newer plan"


def test_results_beside_the_manifest_are_those_of_the_checkout(pull_request: Machine) -> None:
    job = pull_request.uses(campaigns="campaigns/", results="beside")

    assert job.code == 0, job.said
    assert "buys 2" in job.summary
    assert not (pull_request.workspace / ".campaign-results").exists()


def test_another_place_for_results_is_wrong_usage(pull_request: Machine) -> None:
    job = pull_request.uses(campaigns="campaigns/", results="nowhere")

    assert job.code == 64
    assert "expected 'branch' or 'beside'" in job.said


def test_a_link_that_a_pull_request_brings_leads_nowhere(pull_request: Machine) -> None:
    elsewhere = pull_request.temp / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    (pull_request.workspace / ".campaign-results").symlink_to(elsewhere)

    job = pull_request.uses(campaigns="campaigns/")

    assert job.code == 0, job.said
    assert (elsewhere / "kept").read_text() == "kept"


class TestFromAFork:
    """The plan was made by the fork's workflow, so it may be anything."""

    @pytest.fixture
    def told(self, pull_request: Machine, forge: Forge) -> Machine:
        forge.requests.append({"label": "stranger:$(touch hacked)", "number": 9, "head": {"sha": "abc"}})
        return pull_request

    def test_it_is_posted_as_data_on_the_request_that_it_was_made_for(
        self, told: Machine, forge: Forge
    ) -> None:
        text = f"{MARKER}\n`touch hacked` $(touch hacked)\n::error::x\n" + "x" * 70_000
        (told.workspace / "campaign-plan.md").write_text(text)

        job = told.uses(FORK, command="comment")

        assert job.code == 0, job.said
        assert forge.calls[-1] == "POST /repos/team/campaigns/issues/9/comments"
        [posted] = forge.texts()
        assert posted.startswith(f"{MARKER}\n_Made by the workflow of a fork")
        assert "$(touch hacked)" in posted
        assert len(posted) == 60_000
        assert "::error::x" not in job.said
        assert not list(told.workspace.rglob("hacked"))

    def test_it_is_not_posted_where_the_request_has_moved_on(self, told: Machine, forge: Forge) -> None:
        forge.requests[0]["head"]["sha"] = "def"
        (told.workspace / "campaign-plan.md").write_text(MARKER)

        job = told.uses(FORK, command="comment")

        assert job.code == 0, job.said
        assert "moved on" in job.said
        assert forge.texts() == []

    def test_what_is_no_plan_or_a_link_is_not_posted(self, told: Machine, forge: Forge) -> None:
        plan = told.workspace / "campaign-plan.md"
        plan.write_text("Please approve")
        first = told.uses(FORK, command="comment")
        secret = told.temp / "secret"
        secret.write_text(f"{MARKER} a secret")
        plan.unlink()
        plan.symlink_to(secret)
        second = told.uses(FORK, command="comment")

        assert (first.code, second.code) == (1, 1), first.said + second.said
        assert forge.texts() == []
