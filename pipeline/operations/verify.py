"""Whether manifest, state, results and files agree."""

from collections.abc import Iterator

from pipeline.artifacts.inventory import fetched
from pipeline.artifacts.output_folder import OutputFolder
from pipeline.operations.campaign_state import CampaignState
from pipeline.operations.workspace import shown_path
from pipeline.purchases import Status
from pipeline.results.build import build
from pipeline.results.verify import differences


def record_differences(state: CampaignState) -> Iterator[str]:
    """What the results manifest says otherwise than manifest and state, in words."""
    name = state.workspace.results_name
    if state.published is None:
        if state.records.purchases:
            yield f"{name}: missing; `pipeline results` writes it"
        return
    wanted = build(
        state.workspace.heading(),
        assignment=state.assignment,
        records=state.records,
        decisions=state.decisions,
        published=state.published.published,
    )
    yield from differences(state.published.document, wanted)


def file_differences(state: CampaignState) -> Iterator[str]:
    """Every file of a finished job that is not on this machine, or not as it was fetched, in words."""
    # Without what the state remembers of times and sizes, the bytes themselves decide.
    outputs = OutputFolder(state.workspace.output, (), state.records.purchases)
    for job in state.jobs:
        purchase = state.assignment.by_key.get(job.key)
        if purchase is None or purchase.status is not Status.DONE:
            continue
        for file in fetched(purchase, job):
            digest = outputs.index.digest(file.path)
            if digest != file.output.sha256:
                problem = "missing" if digest is None else "not what was fetched"
                yield f"{shown_path(state.workspace.output / file.path)}: {problem}"
