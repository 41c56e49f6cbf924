"""Whether a plan stays within its caps. Asked before anything is bought; the store asks again with every create."""

from dataclasses import dataclass

from pipeline.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_creates` and `max_credits` of one run; `budget` in credits over all runs. None: no cap."""

    max_creates: int | None = None
    max_credits: int | None = None
    budget: int | None = None


def refusal(plan: Plan, limits: Limits, spent: int) -> str | None:
    """Why the plan may not be carried out, None if it may. `spent` are the credits of all runs so far."""
    creates = len(plan.buying)
    if limits.max_creates is not None and creates > limits.max_creates:
        return f"{creates:,} creates would pass max_creates ({limits.max_creates:,})"
    capped = [
        name
        for name, cap in (("max_credits", limits.max_credits), ("budget", limits.budget))
        if cap is not None
    ]
    if capped and plan.unpriced:
        templates = sorted(
            {entry.job.request.template_id for entry in plan.unpriced if entry.job is not None}
        )
        return (
            f"{', '.join(templates)}: no known price, so limits.{capped[0]} cannot be held; "
            "set it under catalog.credits"
        )
    if limits.max_credits is not None and plan.credits > limits.max_credits:
        return f"{plan.credits:,} credits would pass max_credits ({limits.max_credits:,})"
    if limits.budget is not None and spent + plan.credits > limits.budget:
        return (
            f"{plan.credits:,} credits on top of {spent:,} spent would pass limits.budget ({limits.budget:,})"
        )
    return None
