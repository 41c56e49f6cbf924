"""A purchase on its way: what each answer to a poll means, and when to give up waiting. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from pipeline.errors import printable
from pipeline.providers.base import Media, Progress, Workflow
from pipeline.purchases import Output, Purchase, Step
from pipeline.state.transitions import Event, Finished, Reported, Vanished, VendorFailed

# Seconds that a success may be without a result before it is taken for a failure.
EMPTY_RESULT = 300.0
# A workflow that the vendor denies this often, over at least so many seconds, is lost.
DENIALS = 3
DENIED_FOR = 600.0


@dataclass
class TrackedPurchase:
    """What the coordinator knows of one purchase that is under way; times are monotonic seconds.

    `since` is when this run first saw it, `deadline` when it stops waiting for it. `latest` is the answer
    that ended it, with whole urls, which are never stored.
    """

    purchase: Purchase
    since: float
    deadline: float
    bought_here: bool = False
    attempts: int = 0
    denials: int = 0
    denied_since: float = 0.0
    empty_since: float | None = None
    percent: float | None = None
    latest: Workflow | None = field(default=None, repr=False)
    warned: bool = False

    @property
    def patience(self) -> float:
        """Seconds that this run has for it."""
        return self.deadline - self.since

    def elapsed(self, now: float) -> float:
        """Seconds since this run first saw it."""
        return now - self.since

    def denied(self, now: float) -> Event | None:
        """The vendor said 404: once is a hiccup, often and for long is a loss."""
        if self.denials == 0:
            self.denied_since = now
        self.denials += 1
        if self.denials >= DENIALS and now - self.denied_since >= DENIED_FOR:
            return Vanished("the vendor does not know this workflow any more")
        return None

    def told(self, workflow: Workflow, now: float) -> Event | None:
        """What a sound answer means; None where it only says that it is still running, as before."""
        self.attempts = self.denials = 0
        if workflow.percent is not None:
            self.percent = max(self.percent or 0.0, workflow.percent)
        match workflow.progress:
            case Progress.FAILED:
                why = printable(workflow.error or f"the vendor ended it as '{workflow.status}'")
                return VendorFailed(why, workflow.updated_at)
            case Progress.SUCCEEDED if workflow.result:
                self.latest = workflow
                return finished(workflow)
            case Progress.SUCCEEDED:
                self.empty_since = now if self.empty_since is None else self.empty_since
                if now - self.empty_since >= EMPTY_RESULT:
                    return VendorFailed("the vendor says success but gives no result", workflow.updated_at)
                return None
            case _:
                return self._still_running(workflow)

    def _still_running(self, workflow: Workflow) -> Event | None:
        told = Reported(workflow.credits, workflow.created_at, workflow.updated_at)
        known = (self.purchase.created_at, self.purchase.credits)
        news = (told.created_at or known[0], known[1] if told.credits is None else told.credits)
        return told if news != known else None


def finished(workflow: Workflow) -> Finished:
    """The event for a workflow that ended well; urls lose their query, which is a secret that expires."""
    return Finished(
        outputs=tuple(_outputs(workflow.result)),
        steps=tuple(Step(flow, tuple(_outputs(media))) for flow, media in workflow.steps),
        credits=workflow.credits,
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
    )


def _outputs(media: Iterable[Media]) -> Iterable[Output]:
    return (Output(each.content_type, without_query(each.url), bytes=each.size) for each in media)


def without_query(url: str) -> str:
    """`url` without what may be a signature."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
