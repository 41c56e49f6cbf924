"""Whether the state knows the results manifest as it lies there: by hashes, so no time and no name is believed."""

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType

from pipeline.jobs import Job, JobKey, Json
from pipeline.media.facts import RULE, can_read
from pipeline.operations.workspace import TOOL, Workspace
from pipeline.purchases import Decisions
from pipeline.results.file import Version
from pipeline.state.store import Store


def joined_hash(version: Version | None, workspace: Workspace, decisions: Decisions) -> str:
    """Stands for results that a state has taken in whole: these bytes, at this place, by these decisions.

    Decisions say which of two purchases served a job last, and where the results lie says whose they are.
    """
    if version is None:
        return ""
    heading = workspace.heading()
    return _hash([version.digest, heading.campaign, heading.manifest, *_decided(decisions)])


def inputs_hash(
    workspace: Workspace,
    jobs: list[Job],
    store: Store,
    decisions: Decisions,
    inputs: Mapping[JobKey, str] = MappingProxyType({}),
) -> str:
    """Stands for all that results are made from besides the purchases, and what serves the jobs."""
    heading = workspace.heading()
    made_from: list[object] = [
        [TOOL, heading.campaign, heading.manifest, heading.output],
        None if heading.shard is None else heading.shard.as_json(),
        [[job.key, job.fingerprint, job.path, job.steps] for job in jobs],
        _decided(decisions),
        sorted(inputs.items()),
        # What files hold is reported too, as far as it can be read.
        [RULE, can_read()],
        sorted({file.sha256 for file in store.files()}),
    ]
    return _hash(made_from)


def _decided(decisions: Decisions) -> list[Json]:
    return [
        [list(pair) for pair in sorted(decisions.approved.items())],
        [*sorted(decisions.rejected)],
        [*sorted(decisions.redo)],
    ]


def _hash(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
