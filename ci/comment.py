#!/usr/bin/env python3
"""Puts a text on a pull request (GitHub) or merge request (GitLab): one comment, updated by each later text.

Its first line tells the comment from others. A commit that the request has left behind changes nothing, also where
that happens, or another job writes, at the same time: what was written is looked at again, and put right. Without a
token, or with one that may not comment (that of a pull request from a fork), nothing happens: the plan is in the
summary of the job all the same.

    CAMPAIGN_TEXT      the file that holds the text
    CAMPAIGN_TOKEN     may write comments
    CAMPAIGN_HEAD_SHA  the commit that the text speaks of
    CAMPAIGN_REQUEST   the number of the request; on GitHub, where it is empty:
    CAMPAIGN_HEAD_OWNER, CAMPAIGN_HEAD_BRANCH   of the open request to look for

Needs Python's standard library only.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

PATIENCE, PAUSE = 30.0, 5.0
# How often a comment is written that other jobs keep replacing or deleting.
TRIES = 3
MOVED_ON = "not written: the request has moved on"
_COMMIT = re.compile(r"^Of commit (\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Forge:
    """Where comments are kept: the API's address, who we are, and the paths below the address."""

    api: str
    headers: Mapping[str, str]
    comments: str
    comment: str
    change: str
    head: str

    def call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        """One call; its answer, read from JSON. It is repeated once if the server has trouble or asks to wait.

        Raises:
            HTTPError: it was refused.
        """
        try:
            return self._call_once(method, path, body)
        except HTTPError as error:
            if error.code != 429 and error.code < 500:
                raise
            time.sleep(_pause(error.headers.get("Retry-After")))
        # Where the first one was carried out all the same, a second comment is deleted like that of another job.
        return self._call_once(method, path, body)

    def _call_once(self, method: str, path: str, body: Mapping[str, str] | None) -> Any:
        sent = Request(  # noqa: S310 - the address is the CI system's own
            self.api + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json", "Accept": "application/json", **self.headers},
        )
        with urlopen(sent, timeout=PATIENCE) as answer:  # noqa: S310
            content = answer.read()
        return json.loads(content) if content else None

    def all_comments(self) -> Iterator[dict[str, Any]]:
        """Every comment, page by page."""
        page = 1
        while found := self.call("GET", f"{self.comments}?per_page=100&page={page}"):
            yield from found
            page += 1

    def post(self, text: str, sha: str) -> str:
        """Write `text`, which speaks of the commit `sha`, into our comment or a new one; says which."""
        marker = text.partition("\n")[0]
        outcome = MOVED_ON
        for _ in range(TRIES):
            before = self._newest(self._ours(marker))
            # As late as can be: listing the comments takes a while, in which a newer job may have written its own.
            if sha and self._head() != sha:
                return MOVED_ON
            try:
                number, outcome = self._write(before, text)
            except HTTPError as error:
                if before is None or error.code != 404:
                    raise
                continue  # another job has merged it with its own
            if self._is_in_order(number, before, text, sha):
                return outcome
        return outcome

    def _write(self, before: Mapping[str, Any] | None, text: str) -> tuple[int, str]:
        """The number of the comment that holds `text` now, and what became of it."""
        if before is None:
            return int(self.call("POST", self.comments, {"body": text})["id"]), "written"
        self._change(before["id"], text)
        return int(before["id"]), "updated"

    def _is_in_order(self, number: int, before: Mapping[str, Any] | None, text: str, sha: str) -> bool:
        """Whether our comment, just written as `number`, is the one that belongs there; puts right what is not.

        No forge can be told to write only where nothing has changed, so this looks at what other jobs did meanwhile.
        """
        head = self._head() if sha else ""
        found = self._ours(text.partition("\n")[0])
        if head != sha:
            ours = next((each for each in found if each["id"] == number and _speaks_of(each, sha)), None)
            if ours is not None:
                self._take_back(ours, before, [each for each in found if _speaks_of(each, head)], text, head)
            return False
        kept = self._newest([each for each in found if _speaks_of(each, sha)])
        for each in found if kept is not None else ():
            if each is not kept:
                self._delete(each["id"])
        return kept is not None

    def _take_back(
        self,
        ours: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        newer: Sequence[Mapping[str, Any]],
        text: str,
        head: str,
    ) -> None:
        """Undo what was written although the request was at the commit `head` by then."""
        if newer:
            self._delete(ours["id"])
        elif before is not None and _speaks_of(before, head):
            self._change(ours["id"], before["body"])
        else:
            # The job of that commit may have written before this one: then nobody else would say so.
            marker, _, rest = text.partition("\n")
            note = f"**Commit {head[:12]} has come since:** its plan is in the summary or log of its own job."
            self._change(ours["id"], f"{marker}\n\n{note}\n{rest}")

    def _ours(self, marker: str) -> list[dict[str, Any]]:
        """Our comments with that first line. Anybody can write it, and theirs are not ours to change."""
        return [
            each
            for each in self.all_comments()
            if str(each["body"]).startswith(marker) and self._is_ours(each)
        ]

    @staticmethod
    def _newest(comments: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        return max(comments, key=lambda each: int(each["id"]), default=None)

    def _change(self, number: int, text: str) -> None:
        self.call(self.change, f"{self.comment}/{number}", {"body": text})

    def _delete(self, number: int) -> None:
        with suppress(HTTPError):  # another job was there first, or the token may not
            self.call("DELETE", f"{self.comment}/{number}")

    def _head(self) -> str:
        """The newest commit of the request."""
        request = self.call("GET", self.head)
        return str(request["sha"] if "sha" in request else request["head"]["sha"])

    def _is_ours(self, comment: Mapping[str, Any]) -> bool:
        # Of a deleted account, a forge may say null.
        if "author" in comment:  # GitLab
            author = comment["author"] or {}
            return "id" in author and bool(author["id"] == self.call("GET", "/user")["id"])
        return bool((comment["user"] or {}).get("type") == "Bot")


def _pause(asked: str | None) -> float:
    """The seconds to wait, as the server `asked` if it gave a number that is not too large."""
    try:
        return max(0.0, min(float(asked or PAUSE), PATIENCE))
    except ValueError:
        return PAUSE


def _speaks_of(comment: Mapping[str, Any], sha: str) -> bool:
    """Whether a comment is the plan of the commit `sha`; of any, where that is empty."""
    found = _COMMIT.search(str(comment["body"]))
    return not sha or (found is not None and found[1] == sha[:12])


def github(environ: Mapping[str, str], token: str) -> Forge | None:
    """The pull request's comments; None where the request is not open any more, or has moved on."""
    repository = f"/repos/{environ['GITHUB_REPOSITORY']}"
    headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
    forge = Forge(environ["GITHUB_API_URL"], headers, "", f"{repository}/issues/comments", "PATCH", "")
    number = environ.get("CAMPAIGN_REQUEST") or _open_request(forge, repository, environ)
    if not number:
        return None
    comments = f"{repository}/issues/{int(number)}/comments"
    return Forge(
        forge.api, headers, comments, forge.comment, forge.change, f"{repository}/pulls/{int(number)}"
    )


def _open_request(forge: Forge, repository: str, environ: Mapping[str, str]) -> str:
    """The number of the request whose head is what was planned: a workflow of a fork is not told it by GitHub."""
    head = f"{environ['CAMPAIGN_HEAD_OWNER']}:{environ['CAMPAIGN_HEAD_BRANCH']}"
    found = forge.call("GET", f"{repository}/pulls?{urlencode({'state': 'open', 'head': head})}")
    numbers = [each["number"] for each in found if each["head"]["sha"] == environ["CAMPAIGN_HEAD_SHA"]]
    return str(numbers[0]) if numbers else ""


def gitlab(environ: Mapping[str, str], token: str) -> Forge:
    """The merge request's notes."""
    project = quote(environ["CI_PROJECT_ID"], safe="")
    request = f"/projects/{project}/merge_requests/{int(environ['CAMPAIGN_REQUEST'])}"
    notes = f"{request}/notes"
    return Forge(environ["CI_API_V4_URL"], {"PRIVATE-TOKEN": token}, notes, notes, "PUT", request)


def main(environ: Mapping[str, str]) -> int:
    """Comment; 0 also where that is not allowed."""
    token = environ.get("CAMPAIGN_TOKEN", "")
    if not token:
        print("No token, so no comment: the plan is in the job's summary or log.")
        return 0
    try:
        text = Path(environ["CAMPAIGN_TEXT"]).read_text("utf-8")
        forge = gitlab(environ, token) if "CI_API_V4_URL" in environ else github(environ, token)
        outcome = forge.post(text, environ.get("CAMPAIGN_HEAD_SHA", "")) if forge is not None else MOVED_ON
    except HTTPError as error:
        if error.code in {401, 403, 404}:
            print(f"This token may not comment ({error.code}): the plan is in the job's summary or log.")
            return 0
        print(f"The comment was not written: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"The comment was not written: {error}", file=sys.stderr)
        return 1
    print(f"The comment was {outcome}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
