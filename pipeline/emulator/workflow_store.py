"""The workflows of an emulator, kept in a folder with their media and the ledger.

An emulator can be killed and restarted at any time: bought workflows are kept, and missing media is made then.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.emulator.create_fields import CreateFields, InvalidField
from pipeline.emulator.ledger import Ledger, LedgerEntry, TakeCounter
from pipeline.emulator.media_store import MediaStore, media_suffix, new_media_id
from pipeline.emulator.render_queue import RenderQueue
from pipeline.emulator.webhook_queue import DueWebhook, WebhookQueue
from pipeline.emulator.workflow import Changes, View, WebhookOutcome, Workflow, view
from pipeline.files import write_atomically
from pipeline.purchases import WorkflowId

if TYPE_CHECKING:
    from pipeline.emulator.settings import EmulatorSettings
    from pipeline.emulator.templates import EmulatedTemplate
    from pipeline.json_values import Json


class WorkflowStore:
    """Everything that one emulator keeps. Safe to use from several threads. If given, `workers` make the media.

    Raises:
        OSError: the folder cannot be used.
    """

    def __init__(
        self,
        settings: EmulatorSettings,
        clock: Callable[[], float] = time.time,
        workers: Executor | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.duration = settings.duration
        self.credits = settings.credits
        self._folder = settings.folder / "workflows"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.media = MediaStore(settings.folder / "media")
        self.ledger = Ledger(settings.folder / "ledger.jsonl")
        self.webhooks = WebhookQueue(clock)
        self._takes = TakeCounter(self.ledger.entries)
        self._lock = threading.RLock()
        self._workflows = {
            workflow.id: workflow for path in self._folder.glob("*.json") for workflow in _read(path)
        }
        self._render_queue = RenderQueue(settings, self.media, workers)
        for workflow in self.workflows():
            self._schedule(workflow)

    def close(self) -> None:
        """Stop making media. Unfinished media is made when the folder is opened again."""
        self._render_queue.close()

    def wait(self) -> None:
        """Wait until everything that was bought so far is made."""
        self._render_queue.wait()

    # Buying

    @property
    def balance(self) -> int | None:
        """The credits that are left; None if they are unlimited."""
        return None if self.credits is None else self.credits - self.ledger.spent

    def can_pay(self, template: EmulatedTemplate) -> bool:
        """Whether the remaining credits pay for one workflow of `template`."""
        return self.balance is None or self.balance >= template.price

    def record(
        self,
        fields: CreateFields | InvalidField,
        *,
        status: int | None,
        fault: str | None,
        bought: Workflow | None = None,
        price: int = 0,
    ) -> None:
        """Write into the ledger that a create arrived, what the client was sent, and what was bought.

        Raises:
            OSError: it could not be written.
        """
        valid = None if isinstance(fields, InvalidField) else fields
        entry = LedgerEntry(
            time=self.clock(),
            status=status,
            workflow_id=bought.id if bought else None,
            credits=price,
            title=valid.title if valid else "",
            template_id=valid.template_id if valid else "",
            request=valid.digest if valid else "",
            fault=fault,
            content=valid.content_digest if valid else "",
            take=bought.take if bought else None,
        )
        with self._lock:
            self.ledger.append(entry)

    def begin(
        self,
        fields: CreateFields,
        template: EmulatedTemplate,
        *,
        forced_end: str | None = None,
        progress_falls: bool = False,
    ) -> Workflow:
        """Begin a workflow. The caller records it in the ledger.

        Raises:
            OSError: it could not be written.
        """
        now = self.clock()
        with self._lock:
            take = self._takes.next(fields.content_digest, fields.title)
        workflow_id = WorkflowId(new_media_id())
        workflow = Workflow(
            id=workflow_id,
            template_id=template.id,
            title=fields.title,
            description=fields.description,
            visibility=fields.visibility,
            options=fields.options,
            inputs=self._keep_inputs(workflow_id, fields),
            event_id=fields.event_id,
            webhook_url=fields.webhook_url,
            created=now,
            updated=now,
            duration=self.duration,
            forced_end=forced_end,
            progress_falls=progress_falls,
            take=take,
        )
        self._save(workflow)
        self._schedule(workflow)
        return workflow

    def _keep_inputs(self, workflow_id: WorkflowId, fields: CreateFields) -> tuple[str, ...]:
        inputs = []
        for number, image in enumerate(fields.images, start=1):
            if isinstance(image, bytes):
                name = f"input-{number}{media_suffix(image) or '.bin'}"
                self.media.write(workflow_id, name, image)
                inputs.append(name)
            else:
                inputs.append(image)
        return tuple(inputs)

    # Workflows

    def workflows(self) -> tuple[Workflow, ...]:
        """All workflows, oldest first."""
        with self._lock:
            return tuple(sorted(self._workflows.values(), key=lambda each: (each.created, each.id)))

    def get(self, workflow_id: str) -> Workflow | None:
        """The workflow of that id; None if there is none."""
        with self._lock:
            return self._workflows.get(WorkflowId(workflow_id))

    def view(self, workflow: Workflow) -> View:
        """The workflow as a GET shows it now."""
        return view(workflow, self.clock())

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        """Change what a PUT may change.

        Raises:
            KeyError: there is no such workflow.
            OSError: it could not be written.
        """
        with self._lock:
            # Read it again under the lock: its media may have been made since the caller read it.
            changed = changes.apply_to(self._workflows[workflow_id], self.clock())
            self._save(changed)
            return changed

    def set_webhook_outcome(self, workflow_id: WorkflowId, outcome: WebhookOutcome) -> None:
        """Record what became of its webhook, if the workflow still exists.

        Raises:
            OSError: it could not be written.
        """
        with self._lock:
            if workflow_id in self._workflows:
                self._save(replace(self._workflows[workflow_id], webhook_outcome=outcome))

    def delete(self, workflow_id: WorkflowId) -> None:
        """Remove a workflow and its files."""
        with self._lock:
            self._workflows.pop(workflow_id, None)
            (self._folder / f"{workflow_id}.json").unlink(missing_ok=True)
            self.media.remove(workflow_id)

    def _save(self, workflow: Workflow) -> None:
        with self._lock:
            write_atomically(self._folder / f"{workflow.id}.json", workflow.to_json())
            self._workflows[workflow.id] = workflow

    def log_error(self, path: str, report: Mapping[str, Json]) -> None:
        """Append an error that was reported to the log at `path`, as one line of JSON.

        Raises:
            OSError: it could not be written.
        """
        log = self.settings.folder / path
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(json.dumps(report).encode() + b"\n")

    # Rendering

    def _schedule(self, workflow: Workflow) -> None:
        """Schedule the making of its media or, if its end is known, the sending of its webhook."""
        if not workflow.made and workflow.forced_end is None:
            self._render_queue.submit(self._render, workflow.id)
        elif workflow.webhook_url is not None and workflow.webhook_outcome is None:
            self.webhooks.put(DueWebhook(due=workflow.due, workflow_id=workflow.id))

    def _render(self, workflow_id: WorkflowId) -> None:
        workflow = self.get(workflow_id)
        if workflow is None:
            return
        made = self._render_queue.with_media(workflow)
        with self._lock:
            # A PUT may have changed it meanwhile, or a DELETE removed it.
            current = self.get(workflow_id)
            if current is None:
                self.media.remove(workflow_id)
                return
            finished = replace(current, steps=made.steps, error=made.error, updated=self.clock())
            self._save(finished)
        self._schedule(finished)


def _read(path: Path) -> list[Workflow]:
    try:
        workflow = Workflow.from_json(path.read_bytes())
    except (ValueError, OSError):
        # Not ours, or damaged: the others are still usable.
        return []
    return [workflow] if workflow.id == path.stem else []
