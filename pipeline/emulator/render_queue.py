"""Makes media in threads of its own, one workflow after another."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from pipeline.emulator.drawing import Unreadable
from pipeline.emulator.media_store import MediaStore
from pipeline.emulator.render import Canvas, render
from pipeline.emulator.settings import Settings
from pipeline.emulator.templates import find
from pipeline.emulator.workflow import Workflow
from pipeline.purchases import WorkflowId


class RenderQueue:
    """Makes the media of workflows into `media`."""

    def __init__(self, settings: Settings, media: MediaStore) -> None:
        self._canvas = Canvas(settings.size, settings.frames_per_second)
        self._media = media
        self._threads = ThreadPoolExecutor(settings.renderers, thread_name_prefix="emulator-render")
        self._pending: set[Future[None]] = set()

    def submit(self, task: Callable[[WorkflowId], None], workflow_id: WorkflowId) -> None:
        """Have `task` called with `workflow_id` when a thread is free."""
        future = self._threads.submit(task, workflow_id)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)

    def wait(self) -> None:
        """Wait until all that was submitted so far is done."""
        wait(list(self._pending))

    def close(self) -> None:
        """Finish what has begun, and drop the rest."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def with_media(self, workflow: Workflow) -> Workflow:
        """`workflow` with the steps that were made, or the error that kept them from being made."""
        template = find(workflow.template_id)
        if template is None:
            return replace(workflow, error="the template is gone")
        try:
            folder = self._media.folder_of(workflow.id)
            steps = render(
                workflow, template, self._canvas, folder, lambda source: self._open(workflow, source)
            )
        except Unreadable as error:
            return replace(workflow, error=str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is must end the workflow, not leave it running
            return replace(workflow, error=f"it could not be made: {error!r}"[:500])
        return replace(workflow, steps=steps)

    def _open(self, workflow: Workflow, source: str) -> Path | None:
        return self._media.find_by_url(source) if "://" in source else self._media.find(workflow.id, source)
