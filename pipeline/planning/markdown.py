"""Formats plans as one comment on a pull request: totals first, details folded, limited in size, names as code."""

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from pipeline.errors import LONGEST_WARNING, counted, printable
from pipeline.planning.plan import Action, Entry, Plan
from pipeline.planning.show import as_text, is_shown, stays_failed

# Marks the comment on a pull request, so that it is updated instead of followed by another.
MARKER = "<!-- campaign-pipeline: plan -->"
LONGEST = 60_000
# Characters around folded lines, without their title and the fences.
_FRAME = 200


def as_markdown(plans: Mapping[str, Plan]) -> str:
    """All campaigns in one comment; a campaign in which everything is up to date takes one line."""
    counts = {name: _counts(plan) for name, plan in plans.items()}
    detailed = {name: plan for name, plan in plans.items() if counts[name]}
    lines = [f"- {_code(name)}: {_summary(plan, counts[name])}" for name, plan in plans.items()]
    shown = list(_lines_within(lines, LONGEST // 2))
    if len(shown) < len(lines):
        shown.append(f"\n{len(shown)} of {len(lines)} campaigns shown")
    head = "\n".join([MARKER, "## Campaign plan", "", *shown]) + "\n"
    warnings = [printable(str(each), LONGEST_WARNING) for plan in plans.values() for each in plan.warnings]
    head += _folded(counted(len(warnings), "warning"), warnings, LONGEST // 8)
    room = LONGEST - len(head)
    parts = [head]
    for number, (name, plan) in enumerate(detailed.items()):
        part = _folded(
            f"<code>{html.escape(name)}</code>", list(as_text(plan)), room // (len(detailed) - number)
        )
        parts.append(part)
        room -= len(part)
    return "".join(parts)


def _counts(plan: Plan) -> Counter[str]:
    counts = Counter(_counted_as(entry) for entry in plan.entries if is_shown(entry))
    counts.update(Action.ATTENTION.value for _ in plan.unsettled)
    counts.update("under way" for _ in plan.idle_elsewhere)
    return counts


def _counted_as(entry: Entry) -> str:
    if entry.is_pending:
        return "under way"
    return "failed" if stays_failed(entry) else entry.action.value


def _summary(plan: Plan, counts: Counter[str]) -> str:
    if not counts:
        return "nothing to do"
    actions = ", ".join(f"{number} {action}" for action, number in sorted(counts.items()))
    cost = plan.cost
    if not cost.creates:
        return f"{actions}; buys nothing"
    unknown = f" + {cost.unpriced} with no known price" if cost.unpriced else ""
    known = counted(cost.known, "credit") if cost.known is not None else ""
    price = (known + unknown).removeprefix(" + ")
    limit = f"; **limit:** {_code(plan.limit)} (exit code 4)" if plan.limit is not None else ""
    return f"{actions}; **buys {cost.creates}: {price}**{limit}"


def _folded(title: str, lines: list[str], room: int) -> str:
    """The lines below a title, folded, in at most `room` characters; empty if not even one line fits."""
    fence = _fence("\n".join(lines), 3)
    shown = list(_lines_within(lines, room - _FRAME - len(title) - 2 * len(fence)))
    if not shown:
        return ""
    part = f"{len(shown)} of {len(lines)} lines shown"
    more = f"\n{part}\n" if len(shown) < len(lines) else ""
    body = "\n".join(shown)
    return f"\n<details><summary>{title}: {part}</summary>\n\n{fence}\n{body}\n{fence}\n{more}\n</details>\n"


def _lines_within(lines: list[str], room: int) -> Iterator[str]:
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return
        yield line


def _code(text: str) -> str:
    """Text as code: forges look for links and `@name` in all that is shown, escaped or not, but not in code."""
    fence = _fence(text, 1)
    # One space on either side is not shown, and separates a backtick from the fence.
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _fence(text: str, least: int) -> str:
    """At least so many backticks, which nothing in `text` ends."""
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))
