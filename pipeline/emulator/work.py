"""The emulator's work, kept in a folder: workflows, their media, and the ledger.

It can be killed and started again at any time: what was bought is there, what was not made is made then.
"""

import hashlib
import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.emulator.drawing import Unreadable
from pipeline.emulator.ledger import Entry, Ledger
from pipeline.emulator.orders import Invalid, Order, Upload
from pipeline.emulator.outbox import Letter, Outbox
from pipeline.emulator.render import Canvas, render
from pipeline.emulator.settings import Settings
from pipeline.emulator.templates import Template, find
from pipeline.emulator.workflow import Changes, Receipt, View, Workflow, view
from pipeline.files import write_atomically
from pipeline.jobs import Json

_ID = re.compile(r"[0-9a-f]{24}")
_NAME = re.compile(r"[a-z0-9_-]{1,60}\.[a-z0-9]{3,4}")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Work:
    """All that one emulator keeps. Safe to use from several threads.

    Raises:
        OSError: the folder cannot be used.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.clock = clock
        self.duration = settings.duration
        self.credits = settings.credits
        self._workflows_folder = settings.folder / "workflows"
        self._media_folder = settings.folder / "media"
        for folder in (self._workflows_folder, self._media_folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(settings.folder / "ledger.jsonl")
        self._lock = threading.RLock()
        self._workflows = {
            workflow.id: workflow
            for path in self._workflows_folder.glob("*.json")
            for workflow in _read(path)
        }
        self.outbox = Outbox(clock)
        self._canvas = Canvas(settings.size, settings.frames_per_second)
        self._renderers = ThreadPoolExecutor(settings.renderers, thread_name_prefix="emulator-render")
        self._making: set[Future[None]] = set()
        for workflow in sorted(self._workflows.values(), key=lambda each: each.created):
            self._go_on(workflow)

    def close(self) -> None:
        """Stop making media. What is unfinished is made when the folder is opened again."""
        self._renderers.shutdown(wait=True, cancel_futures=True)

    def wait(self) -> None:
        """Until everything that was bought so far is made."""
        wait(list(self._making))

    # Buying

    @property
    def balance(self) -> int | None:
        """The credits that are left, None where they never end."""
        return None if self.credits is None else self.credits - self.ledger.spent

    def can_pay(self, template: Template) -> bool:
        return self.balance is None or self.balance >= template.price

    def record(
        self, order: Order | Invalid, status: int | None, fault: str | None, bought: str | None, price: int
    ) -> None:
        """Write into the ledger that a create arrived, what was answered, and what it bought."""
        title, template, digest = (
            ("", "", "") if isinstance(order, Invalid) else (order.title, order.template_id, order.digest)
        )
        with self._lock:
            self.ledger.append(Entry(self.clock(), status, bought, price, title, template, digest, fault))

    def buy(self, order: Order, template: Template, fate: str | None, backwards: bool) -> Workflow:
        """Begin a workflow. The caller records it in the ledger."""
        now = self.clock()
        identity = secrets.token_hex(12)
        workflow = Workflow(
            id=identity,
            template_id=template.id,
            title=order.title,
            description=order.description,
            visibility=order.visibility,
            options=order.options,
            inputs=self._keep_inputs(identity, order),
            event_id=order.event_id,
            webhook_url=order.webhook_url,
            created=now,
            updated=now,
            duration=self.duration,
            fate=fate,
            backwards=backwards,
        )
        self._save(workflow)
        self._go_on(workflow)
        return workflow

    def _keep_inputs(self, identity: str, order: Order) -> tuple[str, ...]:
        inputs = []
        for number, image in enumerate(order.images, start=1):
            if isinstance(image, Upload):
                name = f"input-{number}{media_suffix(image.content) or '.bin'}"
                self._write(identity, name, image.content)
                inputs.append(name)
            else:
                inputs.append(image)
        return tuple(inputs)

    # Workflows

    def workflows(self) -> tuple[Workflow, ...]:
        """All there are, oldest first."""
        with self._lock:
            return tuple(sorted(self._workflows.values(), key=lambda each: (each.created, each.id)))

    def get(self, identity: str) -> Workflow | None:
        with self._lock:
            return self._workflows.get(identity)

    def view(self, workflow: Workflow) -> View:
        return view(workflow, self.clock())

    def update(self, identity: str, changes: Changes) -> Workflow:
        """Change what a PUT may change.

        Raises:
            KeyError: there is no such workflow.
        """
        with self._lock:
            # Its media may have been made since the caller looked.
            changed = changes.applied(self._workflows[identity], self.clock())
            self._save(changed)
            return changed

    def note_receipt(self, identity: str, receipt: Receipt) -> None:
        """Remember what became of the receipt for its webhook, if the workflow is still there.

        Raises:
            OSError: it could not be written.
        """
        with self._lock:
            if identity in self._workflows:
                self._save(replace(self._workflows[identity], receipt=receipt))

    def delete(self, identity: str) -> None:
        """Forget a workflow and remove its files."""
        with self._lock:
            self._workflows.pop(identity, None)
            (self._workflows_folder / f"{identity}.json").unlink(missing_ok=True)
            shutil.rmtree(self._media_folder / identity, ignore_errors=True)

    def _save(self, workflow: Workflow) -> None:
        with self._lock:
            write_atomically(self._workflows_folder / f"{workflow.id}.json", workflow.to_json())
            self._workflows[workflow.id] = workflow

    # Media

    def add_image(self, content: bytes, suffix: str) -> tuple[str, str]:
        """Keep an uploaded image; its owner's id and its name."""
        identity, name = secrets.token_hex(12), f"image{suffix}"
        self._write(identity, name, content)
        return identity, name

    def media(self, owner: str, name: str) -> Path | None:
        """A file by what its url names, None where there is none."""
        if not _ID.fullmatch(owner) or not _NAME.fullmatch(name):
            return None
        path = self._media_folder / owner / name
        return path if path.is_file() else None

    def own_media(self, url: str) -> Path | None:
        """The file behind one of the emulator's own urls, whatever port it had then; None for any other."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        folders = parts.path.strip("/").split("/")
        if parts.hostname not in _LOOPBACK or len(folders) != 3 or folders[0] != "media":
            return None
        return self.media(folders[1], folders[2])

    def log_error(self, path: str, report: Mapping[str, Json]) -> None:
        """Keep an error that was reported, as one line of the log at `path`."""
        log = self.settings.folder / path
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(json.dumps(report).encode() + b"\n")

    def _write(self, owner: str, name: str, content: bytes) -> None:
        write_atomically(self._media_folder / owner / name, content)

    # Making

    def _go_on(self, workflow: Workflow) -> None:
        """Make its media later; or, where its end is settled, let it be told."""
        if not workflow.made and workflow.fate is None:
            future = self._renderers.submit(self._make, workflow.id)
            self._making.add(future)
            future.add_done_callback(self._making.discard)
        elif workflow.webhook_url is not None and workflow.receipt is None:
            self.outbox.put(Letter(workflow.due, workflow.id))

    def _make(self, identity: str) -> None:
        workflow = self.get(identity)
        if workflow is None:
            return
        changed = self._made(workflow)
        with self._lock:
            # A PUT may have changed it meanwhile, a DELETE have removed it.
            current = self.get(identity)
            if current is None:
                shutil.rmtree(self._media_folder / identity, ignore_errors=True)
                return
            settled = replace(current, steps=changed.steps, error=changed.error, updated=self.clock())
            self._save(settled)
        self._go_on(settled)

    def _made(self, workflow: Workflow) -> Workflow:
        template = find(workflow.template_id)
        if template is None:
            return replace(workflow, error="the template is gone")
        folder = self._media_folder / workflow.id
        folder.mkdir(exist_ok=True)
        try:
            steps = render(
                workflow, template, self._canvas, folder, lambda source: self._open(workflow, source)
            )
        except Unreadable as error:
            return replace(workflow, error=str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is must end the workflow, not leave it running
            return replace(workflow, error=f"it could not be made: {error!r}"[:500])
        return replace(workflow, steps=steps)

    def _open(self, workflow: Workflow, source: str) -> Path | None:
        return self.own_media(source) if "://" in source else self.media(workflow.id, source)


def image_suffix(content: bytes) -> str | None:
    """The suffix of a JPEG, PNG or WebP by its first bytes, None for anything else."""
    if content.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return ".webp"
    return None


def media_suffix(content: bytes) -> str | None:
    """As `image_suffix`, also for an MP4."""
    return ".mp4" if content[4:8] == b"ftyp" else image_suffix(content)


def token(owner: str) -> str:
    """What must stand in the query of a media url, as the vendor's signed urls have something there."""
    return hashlib.sha256(f"emulator:{owner}".encode()).hexdigest()[:16]


def _read(path: Path) -> list[Workflow]:
    try:
        return [Workflow.from_json(path.read_bytes())]
    except (ValueError, OSError):
        return []
