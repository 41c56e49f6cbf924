"""Keeps the results manifest of a campaign up to date with its state."""

import errno
from collections.abc import Mapping

from pipeline import failpoints
from pipeline.errors import InvalidInput, Unfinished
from pipeline.files import assert_writable
from pipeline.jobs import Json
from pipeline.operations.scene import Scene
from pipeline.purchases import Decisions, Records, Status
from pipeline.results.build import build
from pipeline.results.file import ResultsFile, write
from pipeline.serving import Serving


class Publisher:
    """Writes the results manifest, and remembers what others may have read in it."""

    def __init__(self, place: Scene, published: ResultsFile | None) -> None:
        self._place = place
        self._before: Mapping[str, Json] | None = published.document if published else None
        self._told = set(published.published) if published else set()

    def assert_writable(self) -> None:
        """Make sure that results can be written, before anything is bought that only they would tell of elsewhere.

        Raises:
            InvalidInput: they cannot, and will not by themselves.
        """
        try:
            assert_writable(self._place.results)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                return  # that room is missing is told when they are written, and passes
            raise InvalidInput(
                f"{self._place.results_name}: cannot be written ({error.strerror}), so nothing is bought; "
                "name another place with --results"
            ) from error

    def publish(
        self, serving: Serving, records: Records, decisions: Decisions, inputs: Mapping[str, str]
    ) -> bool:
        """Write what is known; False where it stands there already.

        Raises:
            Unfinished: it cannot be written; what was there is untouched.
        """
        document = build(self._place.heading(), serving, records, decisions, inputs, self._told)
        try:
            failpoints.reach("before results")
            written = write(self._place.results, document, self._before)
            failpoints.reach("after results")
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unfinished(f"{self._place.results_name}: cannot be written: {reason}") from error
        self._before = document
        self._told |= {mark for mark, each in records.purchases.items() if each.status is Status.SUBMITTING}
        return written
