"""The documents that commands print with `--format json`; each has a schema with its command's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import LONGEST_WARNING, printable
from pipeline.operations.shown_paths import shown_path
from pipeline.purchases import as_json as purchase_json
from pipeline.results.decisions import Decision
from pipeline.results.decisions import as_json as decision_as_json

if TYPE_CHECKING:
    # Each command loads only the modules that it needs for its own document.
    from pipeline.errors import Problem
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json
    from pipeline.operations.collect_records import Collected
    from pipeline.operations.inspection import JobDetails, PurchaseDetails
    from pipeline.operations.outcome import Outcome
    from pipeline.operations.status import CampaignStatus, EarlierTake
    from pipeline.results.job_status import JobStatus


def status_document(current: CampaignStatus) -> dict[str, Json]:
    """The status of a campaign's jobs."""
    earlier: dict[JobKey, list[Json]] = {}
    for take in current.earlier:
        earlier.setdefault(take.key, []).append(_take(take))
    return {
        "campaign": current.campaign,
        "jobs": [
            _present(
                **_job(key, job_status),
                **_decision(current.decisions.get(key)),
                earlier=earlier.get(key) or None,
            )
            for key, job_status in current.jobs.items()
        ],
        "unsettled": [{"purchase": each.id, "key": each.key} for each in current.unsettled],
        "summary": {
            **current.summary.as_json(),
            "earlier": len(current.earlier),
            "orphans": current.orphans,
        },
    }


def outcome_document(
    campaign: str, outcome: Outcome, results: str, warnings: Iterable[Problem] = ()
) -> dict[str, Json]:
    """The outcome of a run or a `collect`. `results` is the name of the results manifest in messages.

    `warnings` are those of the manifest.
    """
    told: list[Json] = [printable(str(each), LONGEST_WARNING) for each in warnings]
    return {
        "campaign": campaign,
        "exit_code": int(outcome.code),
        "jobs": [
            _present(
                **_job(key, job_status, outcome.inputs.get(key)),
                files=[shown_path(path) for path in outcome.files.get(key, ())] or None,
            )
            for key, job_status in outcome.jobs.items()
        ],
        "unsettled": [{"purchase": each.id, "key": each.key} for each in outcome.unsettled],
        "waiting": list(outcome.waiting),
        "notes": list(outcome.notes),
        "summary": {
            **outcome.summary.as_json(),
            "bought": outcome.bought,
            "spent": outcome.spent,
        },
        **({"results": results} if outcome.published else {}),
        **({"warnings": told} if told else {}),
    }


def collected_document(collected: Collected) -> dict[str, Json]:
    """The outcome of a `collect` from records alone: without a manifest, it has purchases and no jobs."""
    return {
        "campaign": collected.campaign,
        "exit_code": int(collected.code),
        "purchases": collected.purchases,
        "output": shown_path(collected.output),
        "notes": list(collected.notes),
    }


def job_document(details: JobDetails) -> dict[str, Json]:
    """Everything known about a job."""
    job, entry = details.job, details.entry
    plan: Json = None
    if entry is not None:
        plan = _present(
            action=entry.action.value, reason=entry.reason, credits=entry.credits if entry.buys else 0
        )
    return {
        "job": _present(
            key=job.key,
            fingerprint=job.fingerprint,
            request={"template_id": job.request.template_id, **job.request_json()},
            plan=plan,
        ),
        "purchases": [_purchase(each) for each in details.purchases],
    }


def purchase_document(details: PurchaseDetails) -> dict[str, Json]:
    """Everything known about a purchase."""
    return {"purchases": [_purchase(details)]}


def _purchase(details: PurchaseDetails) -> dict[str, Json]:
    return {
        **purchase_json(details.purchase),
        "serves": list(details.serves),
        **_decision(details.decision),
        "files": [{"path": shown_path(each.path), "here": each.is_here} for each in details.files],
        "events": [
            _present(
                at=each.at,
                event=each.event,
                before=each.before,
                after=each.after,
                detail=each.detail or None,
            )
            for each in details.events
        ],
    }


def _take(take: EarlierTake) -> dict[str, Json]:
    return _present(
        purchase=take.purchase.id,
        status=take.purchase.status.value,
        **_decision(take.decision),
        files=[shown_path(path) for path in take.files],
    )


def _job(key: JobKey, job_status: JobStatus, failed_input: str | None = None) -> dict[str, Any]:
    purchase = job_status.purchase
    return {
        "key": key,
        "status": job_status.status,
        "reason": job_status.reason,
        "purchase": purchase.id if purchase else None,
        "workflow_id": purchase.workflow_id if purchase else None,
        "credits": purchase.credits if purchase else None,
        "error": failed_input or (purchase.error if purchase else None),
    }


def _decision(decision: Decision | None) -> dict[str, Any]:
    if decision is None:
        return {}
    document: dict[str, Any] = decision_as_json(decision)
    return {name: value for name, value in document.items() if name not in {"purchase", "key"}}


def _present(**values: Json | Mapping[str, Json]) -> dict[str, Json]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}  # type: ignore[misc]
