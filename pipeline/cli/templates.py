"""`pipeline templates`: lists the vendor's templates, from the known or the live catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import OUTPUT, argument, flag, format_option, verbosity, verbosity_options
from pipeline.cli.process_environment import read_environment
from pipeline.cli.terminal import say, say_json, untrusted_block
from pipeline.errors import UsageError, counted, did_you_mean, printable
from pipeline.manifest.catalog_file import built_in
from pipeline.operations.clock import now
from pipeline.operations.live_catalogue import (
    CatalogueChange,
    LiveTemplate,
    changes,
    fetch_live,
    known_catalogue,
    price_json,
    write_catalogue,
)

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.manifest.catalog import CatalogTemplate, OptionSpec, Price


@click.command("templates")
@argument("template_id", required=False, metavar="[ID]")
@flag("--refresh", is_flag=True, help="Ask the vendor for its live catalogue (v2), and show what differs.")
@flag(
    "--write",
    "out",
    type=OUTPUT,
    metavar="FILE",
    help="With --refresh: write it to a catalogue file.",
)
@format_option("text", "json")
@verbosity_options
def command(template_id: str | None, refresh: bool, out: Path | None, output_format: str) -> None:
    """List the known templates, or show everything known about ID. With --refresh it needs the key."""
    if out is not None and (not refresh or template_id is not None):
        raise UsageError("--write saves the whole live catalogue; use it with --refresh and without an ID")
    if refresh:
        _refresh(template_id, out, output_format)
        return
    known = built_in().templates
    chosen = [_named(template_id, known)] if template_id is not None else list(known.values())
    if output_format == "json":
        say_json({"templates": [_as_json(template) for template in chosen]})
    elif template_id is not None:
        for line in _detail(chosen[0]):
            say(line)
    else:
        for template in chosen:
            say(f"{template.id:<32} {_takes(template):<12} → {_gives(template):<6} {_price(template)}")


def _named(template_id: str, known: Mapping[str, CatalogTemplate]) -> CatalogTemplate:
    if template_id not in known:
        raise UsageError(
            f"no known template '{printable(template_id, 100)}'{did_you_mean(template_id, known)}"
        )
    return known[template_id]


def _takes(template: CatalogTemplate) -> str:
    inputs = template.inputs
    if inputs is None:
        return "?"
    number = str(inputs.least) if inputs.least == inputs.most else f"{inputs.least}–{inputs.most}"
    plural = "" if inputs.most == 1 else "s"
    return f"{number} {inputs.type}{plural}"


def _gives(template: CatalogTemplate) -> str:
    return "?" if template.output is None else str(template.output)


def _price(template: CatalogTemplate) -> str:
    return _price_text(template.credits)


def _price_text(price: Price | None) -> str:
    if price is None:
        return "price unknown"
    if isinstance(price, int):
        return counted(price, "credit")
    return ", ".join(f"{kind} {counted(number, 'credit')}" for kind, number in price.items())


def _detail(template: CatalogTemplate) -> Iterator[str]:
    recommended = " (recommended)" if template.recommended else ""
    yield f"{template.id}{recommended}: {template.title}"
    if template.description:
        yield f"  {template.description}"
    yield f"  takes {_takes(template)}, gives {_gives(template)}; {_price(template)}"
    if template.options:
        yield "  options:"
    for name, option in template.options.items():
        yield f"    {name}: {_option(option)}"
    if template.webhook:
        yield "  calls a webhook when it ends"
    if template.steps:
        yield f"  steps: {', '.join(f'{name} ({kind})' for name, kind in template.steps.items())}"


def _option(option: OptionSpec) -> str:
    parts = [str(option.type)]
    if option.choices:
        parts.append("one of " + ", ".join(str(choice) for choice in option.choices))
    if option.minimum is not None and option.maximum is not None:
        parts.append(f"{option.minimum:g} to {option.maximum:g}")
    if option.joined:
        parts.append("sent as one comma-separated string")
    if option.required:
        parts.append("required")
    if option.description:
        parts.append(option.description)
    return "; ".join(parts)


def _as_json(template: CatalogTemplate) -> Json:
    inputs = template.inputs
    return {
        "id": template.id,
        "title": template.title,
        "description": template.description,
        "recommended": template.recommended,
        "inputs": None
        if inputs is None
        else {"type": inputs.type.value, "min": inputs.least, "max": inputs.most},
        "gives": template.output.value if template.output else None,
        "options": {name: {"type": str(option.type)} for name, option in template.options.items()},
        "steps": list(template.steps),
        "webhook": template.webhook,
        "credits": price_json(template.credits),
    }


def _refresh(template_id: str | None, out: Path | None, output_format: str) -> None:
    """Show how the vendor's live catalogue differs from the known one, and save it if requested."""
    live = fetch_live(read_environment())
    if template_id is not None:
        live = [each for each in live if each.id == template_id]
        if not live:
            raise UsageError(f"the vendor lists no template '{printable(template_id, 100)}'")
    known = known_catalogue(out)
    found = [each for each in changes(live, known) if template_id in (None, each.id)]
    if out is not None:
        write_catalogue(out, live, built_in(), now()[:10])
    if output_format == "json":
        say_json(
            {
                "templates": [_live_json(each) for each in live],
                "changes": [_change_json(each) for each in found],
            }
        )
        return
    with untrusted_block():
        for each in found:
            say(_change_line(each))
    if not verbosity().quiet:
        say(
            f"{counted(len(live), 'template')} at the vendor, {counted(len(found), 'difference')} from the catalogue."
        )
        if out is not None:
            say(f"{printable(str(out))}: written; name it in a manifest under `catalog.file`.")


def _change_line(change: CatalogueChange) -> str:
    name = f"{printable(change.id, 200)}{f' ({printable(change.title, 100)})' if change.title else ''}"
    match change.kind:
        case "new":
            return f"  + {name}: new, {_price_text(change.new)}"
        case "gone":
            return f"  - {name}: the vendor does not list it"
        case _:
            return f"  ~ {name}: {_price_text(change.old)} → {_price_text(change.new)}"


def _live_json(live: LiveTemplate) -> Json:
    return {
        "id": live.id,
        "title": live.title,
        "description": live.description,
        "credits": price_json(live.credits),
        "options": list(live.options),
    }


def _change_json(change: CatalogueChange) -> Json:
    return {
        "change": change.kind,
        "id": change.id,
        "old": price_json(change.old),
        "new": price_json(change.new),
    }
