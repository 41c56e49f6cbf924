"""Records of a campaign of one job, as the gallery reads them."""

from typing import Any

from pipeline.report.data import GalleryRecords

SHA, OTHER = "a" * 64, "b" * 64
KEY = "hero/overlay/red/walk/locale=en"


def purchase(**changes: Any) -> dict[str, Any]:
    return {
        "id": "1" * 16,
        "key": KEY,
        "fingerprint": "v1:" + "0" * 64,
        "status": "done",
        "bought_at": "2026-11-28T12:00:00.000Z",
        "template_id": "overlay_gray_5443",
        "credits": 120,
        "request": {
            "options": {"prompt": "a walk", "background_urls": ["https://cdn.example.com/a.mp4?sig=secret"]},
            "images": [{"id": "red", "url": "https://cdn.example.com/red.png?sig=secret"}],
            "title": "spring: walk",
        },
        "outputs": [
            {"content_type": "video/mp4", "sha256": SHA, "bytes": 9, "url": "https://v.example.com/x"}
        ],
        **changes,
    }


def job(**changes: Any) -> dict[str, Any]:
    return {"key": KEY, "fingerprint": "v1:" + "0" * 64, "status": "done", "purchase": "1" * 16, **changes}


def records(jobs: Any = None, purchases: Any = None, **changes: Any) -> GalleryRecords:
    results = {
        "version": 1,
        "campaign": "spring",
        "manifest": "spring.yaml",
        "tool": "pipeline 0.1.0",
        "jobs": jobs if jobs is not None else [job()],
        "purchases": purchases if purchases is not None else [purchase()],
    }
    return GalleryRecords(results=results, **{"decisions": {}, "command": "spring.yaml", **changes})
