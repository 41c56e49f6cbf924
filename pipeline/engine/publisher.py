"""Has what is on disk published before anything is sent that it does not tell, and sees who was there first."""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from functools import partial

from pipeline import failpoints
from pipeline.assignment import is_usable
from pipeline.engine.checkpoint import Checkpoint
from pipeline.engine.workplace import Workplace, outcome
from pipeline.errors import PipelineError, printable


class Publishing:
    """Runs the operator's command, one at a time. `wanted` are the fingerprints of what the run may buy."""

    def __init__(self, workplace: Workplace, wanted: Collection[str]) -> None:
        self._at = workplace
        self._wanted = wanted
        self.is_busy = False

    def begin(self, checkpoint: Checkpoint, then: Callable[[str | None], None]) -> None:
        """Write the results and have them published; `then` learns why nothing more may be sent, else None."""
        failpoints.reach("wave written")
        try:
            self._at.publish()
        except PipelineError as error:
            # What the command would publish does not tell of what is about to be sent.
            then(str(error))
            return
        self.is_busy = True
        self._at.calls.send(self._at.till, partial(self._ended, then), checkpoint)

    def _ended(self, then: Callable[[str | None], None], future: "Future[None]") -> None:
        self.is_busy = False
        failpoints.reach("wave published")
        answer = outcome(future)
        then(str(answer) if isinstance(answer, PipelineError) else self.overtaken())

    def overtaken(self) -> str | None:
        """Whether another machine has bought what this run wants: a command that pulls may have brought it."""
        try:
            others = self._at.others()
        except PipelineError as error:
            return str(error)
        same = (each for each in others if each.fingerprint in self._wanted and is_usable(each))
        first = next(same, None)
        return None if first is None else f"{printable(first.key)}: another machine bought the same meanwhile"
