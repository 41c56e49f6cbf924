"""The vendor's JSON: workflows, images, the catalogue and webhooks, in the format of its API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.emulator.media_store import signature
from pipeline.emulator.templates import TEMPLATES, EmulatedTemplate

if TYPE_CHECKING:
    from pipeline.emulator.workflow import File, View, Workflow
    from pipeline.json_values import Json
    from pipeline.purchases import WorkflowId

_USER, _CUSTOMER = "emulated-user", "emulated-customer"


def workflow_json(workflow: Workflow, view: View, base: str) -> Json:
    """A workflow as GET shows it; `base` is the address at which the client reached the emulator."""
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
            {"flow": step.flow, "result": [_file_json(workflow, file, base) for file in step.files]}
            for step in view.steps
        ],
        "result": [_file_json(workflow, file, base) for file in view.result],
        "media_result": [
            {
                "url": media_url(workflow.id, file.name, base),
                "size": file.bytes,
                "updated_at": format_time(workflow.updated),
            }
            for file in view.result
        ],
        "rating": workflow.rating,
        "delivered_at": workflow.delivered_at,
        "error": workflow.error,
        "created_at": format_time(workflow.created),
        "updated_at": format_time(workflow.updated),
    }


def image_json(image_id: str, name: str, *, content_type: str, now: float, base: str) -> Json:
    """An uploaded image as POST /image shows it."""
    return {
        "id": image_id,
        "results": [media_url(image_id, name, base)],
        "status": "success",
        "mime_type": content_type,
        "customer_id": _CUSTOMER,
        "created_at": format_time(now),
    }


def webhook_json(workflow_id: WorkflowId, status: str) -> Json:
    """The body of a webhook."""
    return {"workflow_id": workflow_id, "batch_id": workflow_id, "customer_id": _CUSTOMER, "status": status}


def template_json(template: EmulatedTemplate, *, detail: bool) -> Json:
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
    """The response to a report of an error."""
    return {"message": "Error logged", "log_path": path, "log_url": f"{base}/{path}"}


def log_path(now: float) -> str:
    """The path of the log of errors for the week of `now`."""
    year, week, _ = datetime.fromtimestamp(now, UTC).isocalendar()
    return f"customer-error-logs/{_CUSTOMER}/errors-{year}-W{week:02}.log"


def media_url(media_id: str, name: str, base: str) -> str:
    """The url at which a file can be fetched, with the required signature."""
    return f"{base}/media/{media_id}/{name}?signature={signature(media_id)}"


def format_time(seconds: float) -> str:
    """A time in the vendor's form: with a space where ISO 8601 has a T."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(sep=" ", timespec="microseconds")


def _file_json(workflow: Workflow, file: File, base: str) -> Json:
    return {"content_type": file.content_type, "url": media_url(workflow.id, file.name, base)}


def _input_url(workflow: Workflow, source: str, base: str) -> str:
    return source if "://" in source else media_url(workflow.id, source, base)
