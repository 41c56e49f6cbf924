"""Results without a purchase, which no command writes: an older version's, or somebody's own."""

import json

from pipeline.assignment import assign
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.operations.environment import Environment
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.workspace import workspace_of
from pipeline.purchases import UNDECIDED, Records
from pipeline.results.document import Builder
from support.campaigns import Project


def write_results(project: Project, name: str = "") -> None:
    """Write results that have the jobs of the campaign and no purchase; `name` where they are not the usual file."""
    workspace = workspace_of(load(project.manifest), RecordPaths(), Environment({}))
    assignment = assign(list(expand(workspace.campaign)), Records(), UNDECIDED)
    document = Builder().build(
        workspace.heading(), assignment=assignment, records=Records(), decisions=UNDECIDED
    )
    project.write({name or project.results_file.name: json.dumps(document, indent=2)})
