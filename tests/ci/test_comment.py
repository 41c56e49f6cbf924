"""Plans of several jobs and commits meet on one request: the comment is that of its newest commit."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.forge import Forge, open_forge
from ci.hosting import ROOT, bare_environment

OLD, NEW = "a" * 40, "b" * 40
LONG = "x" * 100


@pytest.fixture(params=["", "/api/v4"], ids=["GitHub", "GitLab"])
def forge(request: pytest.FixtureRequest) -> Iterator[Forge]:
    with open_forge(request.param) as running:
        running.head = OLD
        yield running


def comment(forge: Forge, folder: Path, sha: str, summary: str, comment_id: str = "campaigns/") -> str:
    """Run the job of a commit to its end; its log."""
    plans = folder / summary.replace(" ", "-")
    plans.mkdir(exist_ok=True)
    (plans / "problems.json").write_text(json.dumps({"diagnostics": [{"summary": summary}]}))
    where = (
        {"CI_API_V4_URL": forge.url, "CI_PROJECT_ID": "12"}
        if forge.is_gitlab
        else {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "team/campaigns"}
    )
    ended = subprocess.run(
        [ROOT / "ci" / "comment.sh"],
        env={
            **bare_environment(),
            **where,
            "CAMPAIGN_PLANS": str(plans),
            "CAMPAIGN_COMMENT_ID": comment_id,
            "CAMPAIGN_TOKEN": "token",
            "CAMPAIGN_REQUEST": "7",
            "CAMPAIGN_HEAD_SHA": sha,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


class Push:
    """A push to the request; its job may end at once."""

    def __init__(self, forge: Forge, folder: Path, *, has_ended: bool = True) -> None:
        self.forge, self.folder, self.has_ended = forge, folder, has_ended

    def __call__(self) -> None:
        self.forge.head = NEW
        if self.has_ended:
            comment(self.forge, self.folder, NEW, "plan of the new commit")


def listing(forge: Forge) -> str:
    return "GET notes" if forge.is_gitlab else "GET comments"


@pytest.mark.parametrize("is_there", [True, False], ids=["updated", "written"])
def test_push_while_comments_are_listed_keeps_the_newer_plan(
    forge: Forge, tmp_path: Path, is_there: bool
) -> None:
    if is_there:
        comment(forge, tmp_path, OLD, "an early plan")
    forge.meanwhile[listing(forge)] = Push(forge, tmp_path)

    said = comment(forge, tmp_path, OLD, "plan of the old commit")

    assert "the request has moved on" in said
    [shown] = forge.texts()
    assert "plan of the new commit" in shown


def test_newer_plan_written_at_the_same_time_takes_the_place_of_an_older_one(
    forge: Forge, tmp_path: Path
) -> None:
    # Right after its last look at the request's commit.
    forge.meanwhile["GET 7"] = Push(forge, tmp_path)

    said = comment(forge, tmp_path, OLD, "plan of the old commit")

    assert "the request has moved on" in said
    [shown] = forge.texts()
    assert "plan of the new commit" in shown


def test_older_plan_that_was_written_too_late_says_so(forge: Forge, tmp_path: Path) -> None:
    comment(forge, tmp_path, OLD, "an early plan")
    forge.meanwhile["GET 7"] = Push(forge, tmp_path)

    said = comment(forge, tmp_path, OLD, "plan of the old commit")

    assert "the request has moved on" in said
    [shown] = forge.texts()
    assert f"Commit {NEW[:12]} has come since" in shown
    again = comment(forge, tmp_path, NEW, "plan of the new commit")
    assert "updated" in again
    [shown] = forge.texts()
    assert "has come since" not in shown


def test_newer_plan_that_an_older_job_replaces_is_written_again(forge: Forge, tmp_path: Path) -> None:
    comment(forge, tmp_path, OLD, "plan of the old commit")
    [older] = forge.texts()
    forge.head = NEW
    number = forge.comments[0]["id"]

    def replaced() -> None:
        forge.comments[0]["body"] = older

    forge.meanwhile[f"{'PUT' if forge.is_gitlab else 'PATCH'} {number}"] = replaced
    comment(forge, tmp_path, NEW, "plan of the new commit")

    [shown] = forge.texts()
    assert "plan of the new commit" in shown


def test_two_jobs_of_one_commit_leave_one_comment(forge: Forge, tmp_path: Path) -> None:
    forge.meanwhile[listing(forge)] = lambda: comment(forge, tmp_path, OLD, "plan of one job")

    comment(forge, tmp_path, OLD, "plan of another")

    [shown] = forge.texts()
    assert "plan of another" in shown


def test_comment_of_somebody_else_is_never_deleted(forge: Forge, tmp_path: Path) -> None:
    comment(forge, tmp_path, OLD, "an early plan")
    copied = forge.texts()[0]
    forge.add(copied, 2, "User")

    comment(forge, tmp_path, OLD, "a later plan")

    assert len(forge.texts()) == 2
    assert forge.texts()[1] == copied


@pytest.mark.parametrize(
    "ids",
    [
        ("campaigns/\u6625", "campaigns/\u79cb"),
        ("campaigns/\u00e9t\u00e9", "campaigns/e\u0301te\u0301"),
        ("campaigns/a b", "campaigns/a+b"),
        ("campaigns/a b", "campaigns/a\nb"),
        (f"{LONG}1", f"{LONG}2"),
        ("campaigns/x@1", "campaigns/x"),
        ("campaigns/x ", "campaigns/x"),
    ],
)
def test_plans_of_different_paths_have_separate_comments(
    forge: Forge, tmp_path: Path, ids: tuple[str, str]
) -> None:
    for comment_id in ids * 2:
        comment(forge, tmp_path, OLD, "a plan", comment_id)

    first_lines = [text.splitlines()[0] for text in forge.texts()]
    assert len(first_lines) == len(set(first_lines)) == 2
    assert all(line.startswith("<!-- campaign-pipeline: plan ") and line.isascii() for line in first_lines)


@pytest.mark.parametrize("who", [None, {}])
def test_comment_of_a_deleted_account_is_nobodys(
    forge: Forge, tmp_path: Path, who: dict[str, object] | None
) -> None:
    comment(forge, tmp_path, OLD, "a plan")
    for each in forge.comments:
        each["author" if forge.is_gitlab else "user"] = who

    comment(forge, tmp_path, OLD, "another plan")

    assert ["another plan" in text for text in forge.texts()] == [False, True]


@pytest.mark.parametrize("status", [429, 500, 502])
def test_trouble_of_the_forge_is_waited_out_once(forge: Forge, tmp_path: Path, status: int) -> None:
    forge.trouble = [status]

    comment(forge, tmp_path, OLD, "a plan")

    assert ["a plan" in text for text in forge.texts()] == [True]
