"""The current plan of a campaign, and saved plans on disk."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.documents import schema
from pipeline.documents.json_locations import located
from pipeline.documents.json_reader import parse_json
from pipeline.documents.node import Finding
from pipeline.errors import InvalidInput, Problem, Unfinished, UsageError, printable
from pipeline.files import assert_replaces, read_limited, write_atomically
from pipeline.operations.caps import caps_of
from pipeline.operations.lost_decisions import jobs_of
from pipeline.operations.shown_paths import relative, shown_path
from pipeline.paths import confined, project_of, readable, real_path, refuse_hidden
from pipeline.planning.make import exceeded_limit, make
from pipeline.planning.plan import ALL, Plan, PlanArguments, PlanOptions
from pipeline.planning.saved_plan import SavedPlan, departures, from_json, to_json

if TYPE_CHECKING:
    from pipeline.artifacts.output_folder import OutputFolder
    from pipeline.json_values import Json
    from pipeline.manifest.catalog import Catalog
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.workspace import Workspace
    from pipeline.state.store import Caps


def plan_of(
    state: CampaignState,
    options: PlanOptions = ALL,
    caps: Caps | None = None,
    outputs: OutputFolder | None = None,
) -> Plan:
    """The plan of a run, and whether `caps` (by default the manifest's) allow it. Calls no vendor, writes nothing.

    `outputs` may be given if the output folder was read already.
    """
    made = make(
        state.assignment,
        (outputs or state.outputs()).inventory.survey(state.assignment),
        options,
        can_be_proven=state.ownership().can_be_proven,
        elsewhere=state.elsewhere(),
    )
    campaign = state.workspace.campaign
    caps = caps or caps_of(campaign)
    return replace(
        made,
        limit=exceeded_limit(made, caps, state.records.purchases.values()),
        prices_of=_oldest_price(made, campaign.catalog),
        target=state.workspace.target,
        lost_approvals=jobs_of(state.lost_approvals),
        warnings=state.warnings,
    )


def _oldest_price(plan: Plan, catalog: Catalog) -> str | None:
    bought = {
        entry.job.request.template_id
        for entry in plan.buying
        if entry.job is not None and entry.credits is not None
    }
    return min((day for each in bought if (day := catalog.price_date(each)) is not None), default=None)


_LARGEST = 1 << 30


def save_plan(
    path: Path, workspace: Workspace, plan: Plan, arguments: PlanArguments, variables: Mapping[str, Json]
) -> None:
    """Write `plan` to `path`, with the arguments it was made with.

    Raises:
        UsageError: a file that is not a plan is there, or the plan could not be read again.
        Unfinished: it cannot be written.
    """
    saved = SavedPlan(
        campaign=workspace.campaign.name,
        manifest=relative(workspace.campaign.manifest, path.resolve().parent),
        emulated=workspace.emulated,
        variables=variables,
        arguments=arguments,
        inputs=tuple(filter(_is_utf8, workspace.inputs)),
    )
    content = _checked_bytes(to_json(saved, plan), path)
    try:
        assert_replaces(path, _is_plan, "a saved plan")
        write_atomically(path, content)
    except OSError as error:
        raise Unfinished(f"{path}: cannot be written: {error.strerror or error}") from error


def _is_utf8(name: str) -> bool:
    """Whether JSON can hold a file's name. A run of the plan finds the others, which are links, by itself."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _checked_bytes(document: dict[str, Json], path: Path) -> bytes:
    """The bytes of a saved plan, once it is clear that `read_saved_plan` will accept them."""
    findings = schema.check_json(document, "plan")
    content = f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode()
    if len(content) > _LARGEST:
        findings.append(f"more than {_LARGEST:,} bytes; plan less at once with --select")
    if findings:
        raise UsageError(
            f"{shown_path(path)}: nothing is written, as it could not be read again: {findings[0]}"
        )
    return content


def _is_plan(head: bytes) -> bool:
    return re.match(rb'\s*\{\s*"version"', head) is not None and b'"arguments"' in head


def read_saved_plan(path: Path) -> SavedPlan | None:
    """The plan saved at `path`; None if the file is something else, such as a manifest.

    Raises:
        InvalidInput: the plan is not valid by its schema, of another version, or repeats a key.
    """
    try:
        content = read_limited(path, _LARGEST)
    except (OSError, ValueError):
        return None  # the reader of manifests says what is wrong with it
    if not content.lstrip().startswith(b"{"):
        return None
    try:
        text = content.decode()
    except ValueError:
        return None
    try:
        document = parse_json(text, shown_path(path))
    except InvalidInput:
        if _has_actions(text):
            raise
        return None
    if not isinstance(document, dict) or "actions" not in document:
        return None
    findings = schema.findings(document, "plan")
    if "version" not in document:
        printed = "printed by `plan --format json`: `plan --out FILE` saves one that can be run"
        findings.append(Finding((), printed))
    if findings:
        raise InvalidInput(located(findings, text, shown_path(path)))
    return from_json(document)


def _has_actions(text: str) -> bool:
    """Whether this is a plan for a reader that asks no more than JSON does."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "actions" in document


@contextmanager
def reading_manifest_of(saved: SavedPlan, plan: Path) -> Iterator[Path]:
    """The manifest named by the plan that was saved at `plan`; read it within this context.

    A plan may be a stranger's, and errors in a manifest are reported with its lines: so the path is confined like
    those of files that a manifest names. An operator's plan may be outside of the project; then no line is quoted.

    Raises:
        InvalidInput: the path is absolute, hidden or of no file in the plan's project; or the manifest is invalid.
    """
    manifest, folder = plan.parent / saved.manifest, real_path(plan.parent)
    root = project_of(folder)
    is_inside = Path(os.path.normpath(folder / saved.manifest)).is_relative_to(root)
    try:
        if is_inside:
            readable(saved.manifest, folder, root)
        else:
            real = confined(saved.manifest, folder, Path(folder.anchor))
            refuse_hidden(real.relative_to(project_of(real.parent)))
    except ValueError as error:
        raise InvalidInput(f"{plan}: it names the manifest '{printable(saved.manifest)}': {error}") from None
    try:
        yield manifest
    except InvalidInput:
        if is_inside:
            raise
        shown = printable(os.path.normpath(manifest))
        raise InvalidInput(
            f"{plan}: it names the manifest '{shown}', which is wrong or none; "
            f"it lies outside the project of the plan ({root.name or root}/), so validate it by its own name"
        ) from None


def assert_current(saved: SavedPlan, plan: Plan, name: str) -> None:
    """Refuse a saved plan that is out of date: nothing is bought or changed that it does not list.

    Raises:
        InvalidInput: with every difference.
    """
    found = list(departures(saved, plan))
    if found:
        found[-1] += " (see docs/reference/errors.md#stale-plan)"
        raise InvalidInput([Problem(f"{name} is stale: {each}") for each in found])
