"""The vendor's JSON: a workflow, an image and the catalogue as its API tells them."""

from datetime import UTC, datetime

from pipeline.emulator.templates import TEMPLATES, Template
from pipeline.emulator.work import token
from pipeline.emulator.workflow import File, View, Workflow
from pipeline.jobs import Json

_USER, _CUSTOMER = "emulated-user", "emulated-customer"


def workflow_json(workflow: Workflow, view: View, base: str) -> Json:
    """A workflow as GET tells it; `base` is the address under which the emulator was reached."""
    return {
        "id": workflow.id,
        "title": workflow.title,
        "description": workflow.description,
        "visibility_status": workflow.visibility,
        "model": workflow.template_id,
        "options": dict(workflow.options),
        "images": [_input_url(workflow, each, base) for each in workflow.inputs],
        "primary_user_id": _USER,
        "customer_id": _CUSTOMER,
        "event_id": workflow.event_id,
        "processing_status": view.status,
        "progress_percentage": view.percent,
        "completions": [
            {"flow": step.flow, "result": [_file(workflow, file, base) for file in step.files]}
            for step in view.steps
        ],
        "result": [_file(workflow, file, base) for file in view.result],
        "media_result": [
            {
                "url": media_url(workflow.id, file.name, base),
                "size": file.bytes,
                "updated_at": when(workflow.updated),
            }
            for file in view.result
        ],
        "rating": workflow.rating,
        "delivered_at": workflow.delivered_at,
        "error": workflow.error,
        "created_at": when(workflow.created),
        "updated_at": when(workflow.updated),
    }


def image_json(identity: str, name: str, content_type: str, now: float, base: str) -> Json:
    """An uploaded image as POST /image tells it."""
    return {
        "id": identity,
        "results": [media_url(identity, name, base)],
        "status": "success",
        "mime_type": content_type,
        "customer_id": _CUSTOMER,
        "created_at": when(now),
    }


def receipt_json(identity: str, status: str) -> Json:
    """What a webhook is told of a workflow that ended."""
    return {"workflow_id": identity, "batch_id": identity, "customer_id": _CUSTOMER, "status": status}


def template_json(template: Template, *, detail: bool) -> Json:
    """One template of the live catalogue."""
    brief: dict[str, Json] = {
        "id": template.id,
        "label": template.id.replace("_", " ").title(),
        "category": template.id.partition("_")[0],
    }
    if not detail:
        return brief
    return {
        **brief,
        "inputs": [template.needs],
        "credits": template.credits,
        "options": list(template.options),
        "steps": list(template.steps),
    }


def catalogue_json(*, detail: bool) -> Json:
    """The live catalogue."""
    return [template_json(template, detail=detail) for template in TEMPLATES.values()]


def log_json(path: str, base: str) -> Json:
    """The answer to an error that was reported."""
    return {"message": "Error logged", "log_path": path, "log_url": f"{base}/{path}"}


def log_path(now: float) -> str:
    """Where errors of this week are kept."""
    year, week, _ = datetime.fromtimestamp(now, UTC).isocalendar()
    return f"customer-error-logs/{_CUSTOMER}/errors-{year}-W{week:02}.log"


def media_url(owner: str, name: str, base: str) -> str:
    """Where a file can be fetched; the query is what gives the right to."""
    return f"{base}/media/{owner}/{name}?signature={token(owner)}"


def when(seconds: float) -> str:
    """A time as the vendor writes it: with a space where ISO 8601 has a T."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(sep=" ", timespec="microseconds")


def _file(workflow: Workflow, file: File, base: str) -> Json:
    return {"content_type": file.content_type, "url": media_url(workflow.id, file.name, base)}


def _input_url(workflow: Workflow, source: str, base: str) -> str:
    return source if "://" in source else media_url(workflow.id, source, base)
