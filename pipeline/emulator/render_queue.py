"""Renders media in its own threads, one workflow after another, or passes it to other processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.emulator.drawing import Unreadable
from pipeline.emulator.media_store import MediaStore
from pipeline.emulator.render import Canvas, render
from pipeline.emulator.templates import described, find

if TYPE_CHECKING:
    from pipeline.emulator.settings import EmulatorSettings
    from pipeline.emulator.templates import EmulatedTemplate
    from pipeline.emulator.workflow import Workflow
    from pipeline.purchases import WorkflowId

# The most workflows that other processes make at a time.
_AT_ONCE = 16


class RenderQueue:
    """Makes the media of workflows in `media`; leaves it to `workers`, if given, as far as they see its folder."""

    def __init__(
        self, settings: EmulatorSettings, media: MediaStore, workers: Executor | None = None
    ) -> None:
        self._templates = settings.templates
        self._canvas = Canvas(settings.size, settings.frames_per_second)
        self._media = media
        self._workers = workers
        threads = settings.renderers if workers is None else _AT_ONCE
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="emulator-render")
        self._pending: set[Future[None]] = set()

    def submit(self, task: Callable[[WorkflowId], None], workflow_id: WorkflowId) -> None:
        """Call `task` with `workflow_id` when a thread is free."""
        future = self._threads.submit(task, workflow_id)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)

    def wait(self) -> None:
        """Wait until all tasks submitted so far are done."""
        wait(list(self._pending))

    def close(self) -> None:
        """Finish the tasks that have begun, and drop the rest."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def with_media(self, workflow: Workflow) -> Workflow:
        """`workflow` with the steps that were made, or the error that prevented it."""
        # What is sold is made, also by an emulator that is not told of the template any more.
        template_id, folder = workflow.template_id, self._media.folder
        template = find(template_id, self._templates) or described(template_id, None)
        if self._workers is not None:
            try:
                return self._workers.submit(made_elsewhere, self._canvas, folder, workflow, template).result()
            except Exception:  # noqa: BLE001 - whatever fails on the workers, this process can do
                return made(self._canvas, folder, workflow, template)
        return made(self._canvas, folder, workflow, template)


def made_elsewhere(
    canvas: Canvas, media_folder: Path, workflow: Workflow, template: EmulatedTemplate
) -> Workflow:
    """`made` in another process, perhaps on another machine. Idempotent: the files are the same.

    Raises:
        FileNotFoundError: the folder of the media is not visible there.
    """
    if not media_folder.is_dir():
        raise FileNotFoundError(media_folder)
    return made(canvas, media_folder, workflow, template)


def made(canvas: Canvas, media_folder: Path, workflow: Workflow, template: EmulatedTemplate) -> Workflow:
    """`workflow` with its media in the folder, or the error that prevented it."""
    media = MediaStore(media_folder)
    try:
        folder = media.folder_of(workflow.id)
        steps = render(workflow, template, canvas, folder, partial(_opened, media, workflow))
    except Unreadable as error:
        return replace(workflow, error=str(error))
    except Exception as error:  # noqa: BLE001 - any error must end the workflow, not leave it running
        return replace(workflow, error=f"it could not be made: {error!r}"[:500])
    return replace(workflow, steps=steps)


def _opened(media: MediaStore, workflow: Workflow, source: str) -> Path | None:
    return media.find_by_url(source) if "://" in source else media.find(workflow.id, source)
