"""Whether a plan stays within its caps. Asked before anything is bought; the store asks again with every create."""

from pipeline.planning.plan import Plan
from pipeline.state.store import Caps


def refusal(plan: Plan, caps: Caps, spent: int) -> str | None:
    """Why the plan may not be carried out, None if it may. `spent` are the credits of all runs so far."""
    creates = len(plan.buying)
    if not creates:
        return None
    if caps.max_creates is not None and creates > caps.max_creates:
        return f"{creates:,} creates would exceed max_creates ({caps.max_creates:,})"
    capped = [
        name for name, cap in (("max_credits", caps.max_credits), ("budget", caps.budget)) if cap is not None
    ]
    if capped and plan.unpriced:
        templates = sorted(
            {entry.job.request.template_id for entry in plan.unpriced if entry.job is not None}
        )
        return (
            f"{', '.join(templates)}: no known price, so limits.{capped[0]} cannot be enforced; "
            "set it under catalog.credits (see docs/reference/errors.md#no-known-price)"
        )
    if caps.max_credits is not None and plan.credits > caps.max_credits:
        return f"{plan.credits:,} credits would exceed max_credits ({caps.max_credits:,})"
    if caps.budget is not None and spent + plan.credits > caps.budget:
        return (
            f"{plan.credits:,} credits on top of {spent:,} spent would exceed limits.budget ({caps.budget:,})"
        )
    return None
