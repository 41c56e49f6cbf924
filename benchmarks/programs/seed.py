"""Writes the state of a campaign as a run would have left it, without having bought anything."""

import argparse
import hashlib
from pathlib import Path

from benchmarks.programs.simulated import FILM, opened_state, written
from pipeline.jobs import Job
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.purchases import UNDECIDED, Output, Purchase, PurchaseId, Records, Status, WorkflowId
from pipeline.state.store import PlacedFile

_SUBMITTED, _DONE = Status.SUBMITTED.value, Status.DONE.value


def seed(manifest: Path, status: Status) -> None:
    """Have everything bought: `done`, with its files in their places, or `submitted`."""
    campaign = load(manifest)
    purchases: dict[PurchaseId, Purchase] = {}
    placed: list[PlacedFile] = []
    for number, job in enumerate(expand(campaign), start=1):
        purchase = _purchase(job, number, status)
        purchases[purchase.id] = purchase
        if status is Status.DONE:
            placed.append(_file(campaign.output.dir, job, purchase.id, _content(number)))
    served = {purchase.key: purchase.id for purchase in purchases.values()}
    with opened_state(manifest, campaign.name, "seed") as store:
        store.absorb(Records(purchases), UNDECIDED, written())
        store.save_assignment(served)
        store.index_files(placed)


def _content(number: int) -> bytes:
    return b"\x00\x00\x00\x18ftypmp42%d" % number


def _purchase(job: Job, number: int, status: Status) -> Purchase:
    content = _content(number)
    output = Output(FILM.content_type, FILM.url, hashlib.sha256(content).hexdigest(), len(content))
    purchase_id = PurchaseId(f"{number:016x}")
    return Purchase(
        id=purchase_id,
        key=job.key,
        fingerprint=job.fingerprint,
        status=status,
        bought_at=written(),
        template_id=job.request.template_id,
        workflow_id=WorkflowId(f"wf-{number}"),
        request=job.request_json(purchase_id),
        outputs=(output,) if status is Status.DONE else (),
        credits=job.credits,
        path=job.path,
    )


def _file(folder: Path, job: Job, purchase: PurchaseId, content: bytes) -> PlacedFile:
    name = f"{job.path}.mp4"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return PlacedFile(
        path=name,
        purchase=purchase,
        slot="result/0",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        mtime_ns=path.stat().st_mtime_ns,
    )


def main() -> None:
    """Write what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("status", choices=(_SUBMITTED, _DONE))
    given = parser.parse_args()
    seed(given.manifest, Status(given.status))


if __name__ == "__main__":
    main()
