"""Makes the comment that shows plans, or why there are none, and prints it.

Its first line tells it from other comments. It is made from saved plans, as data: so a fork, whose workflow made
them, can only say what a plan can say.

    CAMPAIGN_PLANS       the folder with NAME.plan.json for each campaign, or problems.json
    CAMPAIGN_COMMENT_ID  tells this comment from those of other plans
    CAMPAIGN_HEAD_SHA    the commit that was planned
    CAMPAIGN_REQUEST     empty where a fork's workflow planned

Nothing needs to be installed: beside Python's standard library, it uses parts of the tool that lie next to it.
"""

import hashlib
import html
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# A change looks the same here and in the output of `pipeline plan`.
from pipeline.errors import LONGEST_WARNING, counted, printable
from pipeline.planning.sides import shown_sides

LONGEST = 60_000
# Of one plan file, in bytes; and of one text that stands in it, in characters.
LARGEST = 16 << 20
LONGEST_SUMMARY = 1 << 20
LONGEST_TEXT = 300
MAX_PLANS = 100
SUFFIX = ".plan.json"
# What the workflow of a fork made is whatever the fork wants it to be.
FROM_A_FORK = "_Made by the workflow of a fork: a hint, not a check._"
# The symbol and the title of each action, as in the output of `pipeline plan`.
LOOK = {
    "attention": ("!", "needs attention"),
    "pinned": ("*", "pinned"),
    "wait": ("·", "waits"),
    "resume": ("»", "resume (paid)"),
    "download": ("↓", "download (paid)"),
    "share": ("=", "share (free)"),
    "replace": ("-/+", "re-create"),
    "retry": ("+", "retry"),
    "create": ("+", "create"),
    "move": ("~", "move (free)"),
    "update": ("~", "update in place (free)"),
    "keep": (" ", "keep"),
    "orphan": ("-", "orphan"),
}
_BUYING = frozenset({"create", "replace", "retry"})
_FAILED = ("✗", "failed")


def rendered(folder: Path, *, comment_id: str, sha: str, from_fork: bool) -> str:
    """The comment, as long as one may be. Its first line tells it from other comments.

    Raises:
        ValueError: there are no plans in `folder`, or what is there is none.
        OSError: a file cannot be read, or is a link to something else.
    """
    head = [f"<!-- campaign-pipeline: plan {_name_of(comment_id)} -->", "## Campaign plan"]
    if from_fork:
        head.append(FROM_A_FORK)
    if sha:
        head.append(f"Of commit {re.sub('[^0-9a-f]', '', sha)[:12]}")
    body = _problems(folder) if (folder / "problems.json").exists() else list(_plans(folder))
    text = "\n\n".join(head)
    for part in body:
        if len(text) + len(part) > LONGEST - 100:
            text += "\n\n…and more, for which there is no room here."
            break
        text += f"\n\n{part}"
    return text


def _name_of(comment_id: str) -> str:
    """What a marker can hold of `comment_id`; a hash tells it from others that only differ in the rest."""
    name = re.sub(r"[^A-Za-z0-9._/-]+", " ", comment_id)[:100].strip()
    if name == comment_id and " " not in name:
        return name
    digest = hashlib.sha256(comment_id.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{name} {digest}".strip()


def _problems(folder: Path) -> list[str]:
    content = _read(folder / "problems.json")
    invalid = "**Not valid:** a merge would buy nothing."
    if content is None:
        return [invalid, "There is no room here for all that is wrong: it is in the log of the job."]
    found = json.loads(content)["diagnostics"]
    lines = [_where(each) + _clipped(each["summary"]) for each in found if each.get("severity") != "warning"]
    return [invalid, _block(lines)]


def _where(diagnostic: Mapping[str, Any]) -> str:
    place = diagnostic.get("range")
    return f"{_clipped(place['filename'])}:{int(place['start']['line'])}: " if place else ""


def _plans(folder: Path) -> Iterator[str]:
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files:
        raise ValueError(f"{folder}: no plan is here")
    plans = [_plan(file) for file in files[:MAX_PLANS]]
    yield "\n".join(f"- {_inline(plan['campaign'])}: {_totals(plan)}" for plan in plans)
    if len(files) > MAX_PLANS:
        yield f"{MAX_PLANS} of {len(files)} campaigns shown"
    room = LONGEST - 10_000
    if told := [each for plan in plans for each in plan.get("warnings", ())]:
        folded = _warnings(told, LONGEST // 8)
        room -= len(folded)
        yield folded
    for plan in plans:
        if plan["actions"] is None:
            number = sum(plan["summary"]["actions"].values())
            yield f"{_inline(plan['campaign'])}: 0 of {number:,} shown; the plan is in the summary or log of its job"
            continue
        actions = [each for each in plan["actions"] if each["action"] != "keep" or _stays_failed(each)]
        actions += [{"action": "unsettled", **each} for each in plan.get("unsettled", ())]
        if actions:
            notes = list(_notes(plan))
            yield _details(str(plan["campaign"]), actions, notes, room // len(plans))


def _plan(path: Path) -> dict[str, Any]:
    """A saved plan; of one that is too large to be read, only the totals, at its end, and no actions."""
    content = _read(path)
    if content is not None:
        plan: dict[str, Any] = json.loads(content)
        return plan
    end = _end(path).decode(errors="replace")
    for found in re.finditer(r'"summary":\s*', end):
        with suppress(ValueError):
            summary, after = json.JSONDecoder().raw_decode(end, found.end())
            # Only the last member of the plan itself is followed by nothing else.
            if end[after:].strip() == "}":
                return {"campaign": path.name.removesuffix(SUFFIX), "summary": summary, "actions": None}
    raise ValueError(f"{path}: no saved plan")


def _totals(plan: Mapping[str, Any]) -> str:
    summary = plan["summary"]
    counts = Counter(
        {str(name): int(number) for name, number in summary["actions"].items() if name != "keep"}
    )
    counts.update({"attention": len(plan.get("unsettled", ())), "failed": int(summary.get("failed", 0))})
    actions = ", ".join(
        f"{number:,} {re.sub('[^a-z]', '', name)}" for name, number in sorted((+counts).items())
    )
    creates, price_known, unpriced = (int(summary[name] or 0) for name in ("creates", "credits", "unpriced"))
    if not creates:
        return f"{actions}; buys nothing" if actions else "nothing to do"
    known = [_price(price_known)] if unpriced < creates else []
    price = " + ".join([*known, *([f"{unpriced:,} with no known price"] if unpriced else [])])
    limit = f"; **limit:** {_inline(summary['limit'])} (exit code 4)" if "limit" in summary else ""
    return f"{actions}; **buys {creates:,}: {price}**{limit}"


def _stays_failed(action: Mapping[str, Any]) -> bool:
    return bool(action["action"] == "keep" and str(action["reason"]).startswith("failed ("))


def _lines(action: Mapping[str, Any]) -> Iterator[str]:
    if action["action"] == "unsettled":
        symbol, title = LOOK["attention"]
        yield f"{symbol:>3} {_clipped(action['key'])} ({_clipped(action['purchase'])})  {title}, serves no job now"
        return
    name, reason = str(action["action"]), _clipped(action["reason"])
    symbol, title = _FAILED if _stays_failed(action) else LOOK.get(name, ("»", _clipped(name)))
    head = f"{symbol:>3} {_clipped(action['key'])}"
    if name in _BUYING:
        yield f"{head}  {title} ({_price(action['credits'])}): {reason}"
    else:
        yield f"{head}  {reason}" if reason.startswith(title) else f"{head}  {title}: {reason}"
    for change in action["changes"]:
        for sides in shown_sides(change["old"], change["new"]):
            yield f"      {_clipped(change['name'])}: {sides}"


def _price(known: Any) -> str:
    return "price unknown" if known is None else counted(int(known), "credit")


def _notes(plan: Mapping[str, Any]) -> Iterator[str]:
    """What `pipeline plan` says below its totals."""
    summary = plan["summary"]
    refused = (
        str(each["reason"]).startswith("failed (rejected)") for each in plan["actions"] if _stays_failed(each)
    )
    rejected = sum(refused)
    if "prices_of" in summary:
        yield f"Prices as of {_clipped(summary['prices_of'])}."
    if missing := int(summary.get("missing", 0)):
        subject = counted(missing, "finished job has", "finished jobs have")
        yield f"{subject} no file on the machine that planned."
    if altered := int(summary.get("altered", 0)):
        subject = counted(altered, "finished job has", "finished jobs have")
        yield f"{subject} a file that was altered on the machine that planned; it is left alone."
    if rejected:
        subject = counted(rejected, "job was", "jobs were")
        it_asks = "it asks" if rejected == 1 else "they ask"
        yield f"{subject} rejected before: change what {it_asks} for, such as the prompt, and run again."
    if failed := int(summary.get("failed", 0)) - rejected:
        them = "it" if failed == 1 else "them"
        yield f"{counted(failed, 'job')} failed before: `--retry-failed` buys {them} again."


def _details(name: str, actions: list[Mapping[str, Any]], notes: list[str], room: int) -> str:
    """The lines of one campaign, folded; what there is no room for is not even compared."""
    shown: list[str] = []
    number = 0
    room -= sum(len(note) + 1 for note in notes)
    for number, action in enumerate(actions, 1):
        for line in _lines(action):
            room -= len(line) + 1
            if room < 0:
                break
            shown.append(line)
        if room < 0:
            # Of this one, not all is shown.
            shown.append("      …")
            number -= 1
            break
    title = f"<code>{html.escape(_clipped(name))}</code>: {number:,} of {len(actions):,} shown"
    return _folded(title, [*shown, *notes])


def _warnings(told: list[Any], room: int) -> str:
    """What is doubtful in the manifests, as far as there is room."""
    shown: list[str] = []
    for warning in told:
        line = printable(str(warning), LONGEST_WARNING)
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    return _folded(f"{counted(len(told), 'warning')}: {len(shown):,} of {len(told):,} shown", shown)


def _folded(title: str, lines: list[str]) -> str:
    return f"<details><summary>{title}</summary>\n\n{_block(lines)}\n\n</details>"


def _block(lines: list[str]) -> str:
    fence = "`" * max(3, 1 + _longest_run("\n".join(lines)))
    return "\n".join([fence, *lines, fence])


def _inline(text: Any) -> str:
    """Text as code: forges look for `@name` and `#1` in all that is shown, escaped or not, but not in code."""
    shown = _clipped(text) or " "
    fence = "`" * (1 + _longest_run(shown))
    # One space on either side is not shown, and separates the text from the fence.
    padding = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _clipped(text: Any) -> str:
    """One line of characters that can be seen, and not a long one."""
    return printable(str(text), LONGEST_TEXT)


def _read(path: Path) -> bytes | None:
    """What is in a file; None if that is too much."""
    with _opened(path) as file:
        content = file.read(LARGEST + 1)
    return content if len(content) <= LARGEST else None


def _end(path: Path) -> bytes:
    with _opened(path) as file:
        file.seek(-LONGEST_SUMMARY, os.SEEK_END)
        return file.read(LONGEST_SUMMARY)


def _opened(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    return open(descriptor, "rb")  # noqa: PTH123 - of a descriptor; the caller closes it


def main(environ: Mapping[str, str]) -> int:
    """Print it."""
    try:
        text = rendered(
            Path(environ["CAMPAIGN_PLANS"]),
            comment_id=environ.get("CAMPAIGN_COMMENT_ID", ""),
            sha=environ.get("CAMPAIGN_HEAD_SHA", ""),
            from_fork=not environ.get("CAMPAIGN_REQUEST"),
        )
    except (
        ArithmeticError,
        LookupError,
        OSError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        # Whatever is wrong with a file that a stranger made, it is no plan.
        print(f"There is no comment to write: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(text.encode(errors="replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
