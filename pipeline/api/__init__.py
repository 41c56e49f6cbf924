"""The public Python API: `import pipeline`, then load, expand, plan, run, collect, status, approve, reject, redo.

Each function does what the command of the same name does, and returns values instead of printing them. An argument
that is left out, or None where that is the default, is taken from the environment variable of its flag, as the
command takes it. An invalid argument or variable raises a UsageError before anything is read or bought; so does a
variable that would change what the command buys or records where the function has no parameter for it. Everything
that is not named here may change between releases.
"""

from pipeline.api.campaigns import collect, expand, load, plan, run, status
from pipeline.api.decisions import approve, redo, reject, undecide
from pipeline.errors import (
    AccountError,
    BuyingStopped,
    ExitCode,
    InvalidInput,
    PipelineError,
    Problem,
    StateLocked,
    Unfinished,
    UsageError,
)
from pipeline.jobs import Job
from pipeline.manifest.model import Campaign
from pipeline.operations.outcome import Outcome
from pipeline.operations.status import CampaignStatus
from pipeline.planning.plan import Action, Entry, Plan
from pipeline.providers.base import Provider
from pipeline.purchases import Purchase
from pipeline.results.decisions import Decision
from pipeline.results.job_status import JobStatus

__all__ = [
    "AccountError",
    "Action",
    "BuyingStopped",
    "Campaign",
    "CampaignStatus",
    "Decision",
    "Entry",
    "ExitCode",
    "InvalidInput",
    "Job",
    "JobStatus",
    "Outcome",
    "PipelineError",
    "Plan",
    "Problem",
    "Provider",
    "Purchase",
    "StateLocked",
    "Unfinished",
    "UsageError",
    "approve",
    "collect",
    "expand",
    "load",
    "plan",
    "redo",
    "reject",
    "run",
    "status",
    "undecide",
]
