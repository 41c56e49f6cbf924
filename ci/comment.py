#!/usr/bin/env python3
"""Puts a text on a pull request (GitHub) or merge request (GitLab): one comment, updated by each later text.

Its first line tells the comment from others. A commit that the request has left behind changes nothing. Without a
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
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

PATIENCE = 30.0


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
        """One call; its answer, read from JSON.

        Raises:
            HTTPError: it was refused.
        """
        sent = Request(  # noqa: S310 - the address is the CI system's own
            self.api + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json", "Accept": "application/json", **self.headers},
        )
        with urlopen(sent, timeout=PATIENCE) as answer:  # noqa: S310
            return json.load(answer)

    def all_comments(self) -> Iterator[dict[str, Any]]:
        """Every comment, page by page."""
        page = 1
        while found := self.call("GET", f"{self.comments}?per_page=100&page={page}"):
            yield from found
            page += 1

    def post(self, text: str, sha: str) -> str:
        """Write `text`, which speaks of the commit `sha`, into our comment or a new one; says which."""
        if sha and self._head() != sha:
            return "not written: the request has moved on"
        marker = text.partition("\n")[0]
        for each in self.all_comments():
            # Anybody can write the marker; a comment of somebody else is not ours to change.
            if str(each["body"]).startswith(marker) and self._is_ours(each):
                self.call(self.change, f"{self.comment}/{each['id']}", {"body": text})
                return "updated"
        self.call("POST", self.comments, {"body": text})
        return "written"

    def _head(self) -> str:
        """The newest commit of the request."""
        request = self.call("GET", self.head)
        return str(request["sha"] if "sha" in request else request["head"]["sha"])

    def _is_ours(self, comment: Mapping[str, Any]) -> bool:
        if "author" in comment:  # GitLab
            return bool(comment["author"]["id"] == self.call("GET", "/user")["id"])
        return bool(comment["user"]["type"] == "Bot")


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
        outcome = (
            forge.post(text, environ.get("CAMPAIGN_HEAD_SHA", ""))
            if forge is not None
            else "not written: the request has moved on"
        )
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
