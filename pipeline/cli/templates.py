"""`pipeline templates`: what the vendor can make, as far as it is known."""

from collections.abc import Iterator, Mapping

import click

from pipeline.cli.environment import read_environment
from pipeline.cli.options import flag, format_option, verbosity_options
from pipeline.cli.terminal import say, say_json
from pipeline.errors import InvalidInput, did_you_mean, printable
from pipeline.jobs import Json
from pipeline.manifest import catalog
from pipeline.manifest.catalog import Template
from pipeline.manifest.option_specs import OptionSpec
from pipeline.operations.provider import provider_settings
from pipeline.providers.vimmerse import Vimmerse

_TIMEOUT = 60.0


@click.command("templates")
@click.argument("template_id", required=False, metavar="[ID]")
@flag("--refresh", is_flag=True, help="Ask the vendor for its live catalogue (v2); needs the key.")
@format_option("text", "json")
@verbosity_options
def command(template_id: str | None, refresh: bool, output_format: str) -> None:
    """List the known templates, or tell all that is known of ID."""
    if refresh:
        live = Vimmerse(provider_settings(read_environment(), "v2", _TIMEOUT)).templates()
        _print_live(live, template_id, output_format)
        return
    known = catalog.built_in().templates
    chosen = [_named(template_id, known)] if template_id is not None else list(known.values())
    if output_format == "json":
        say_json({"templates": [_as_json(template) for template in chosen]})
    elif template_id is not None:
        for line in _detail(chosen[0]):
            say(line)
    else:
        for template in chosen:
            say(f"{template.id:<32} {_takes(template):<12} → {_gives(template):<6} {_price(template)}")


def _named(template_id: str, known: Mapping[str, Template]) -> Template:
    if template_id not in known:
        raise InvalidInput(
            f"no known template '{printable(template_id, 100)}'{did_you_mean(template_id, known)}"
        )
    return known[template_id]


def _takes(template: Template) -> str:
    inputs = template.inputs
    if inputs is None:
        return "?"
    number = str(inputs.least) if inputs.least == inputs.most else f"{inputs.least}–{inputs.most}"
    return f"{number} {inputs.type}"


def _gives(template: Template) -> str:
    return "?" if template.output is None else str(template.output)


def _price(template: Template) -> str:
    if template.credits is None:
        return "price unknown"
    if isinstance(template.credits, int):
        return f"{template.credits:,} credits"
    return ", ".join(f"{kind} {number:,} credits" for kind, number in template.credits.items())


def _detail(template: Template) -> Iterator[str]:
    recommended = " (recommended)" if template.recommended else ""
    yield f"{template.id}{recommended}: {template.title}"
    if template.description:
        yield f"  {template.description}"
    yield f"  takes {_takes(template)}, gives {_gives(template)}; {_price(template)}"
    if template.options:
        yield "  options:"
    for name, option in template.options.items():
        yield f"    {name}: {_option(option)}"
    if template.steps:
        yield f"  steps: {', '.join(f'{name} ({kind})' for name, kind in template.steps.items())}"


def _option(option: OptionSpec) -> str:
    parts = [str(option.type)]
    if option.choices:
        parts.append("one of " + ", ".join(str(choice) for choice in option.choices))
    if option.minimum is not None and option.maximum is not None:
        parts.append(f"{option.minimum:g} to {option.maximum:g}")
    if option.joined:
        parts.append("sent as one comma-separated text")
    if option.required:
        parts.append("required")
    if option.description:
        parts.append(option.description)
    return "; ".join(parts)


def _as_json(template: Template) -> Json:
    inputs = template.inputs
    prices = template.credits
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
        "credits": {str(kind): number for kind, number in prices.items()}
        if isinstance(prices, Mapping)
        else prices,
    }


def _print_live(live: Mapping[str, Json], template_id: str | None, output_format: str) -> None:
    """The vendor's own words, as a document: its shape is not ours to guess."""
    listed = live.get("templates", live.get("data", live))
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    if template_id is not None:
        entries = [each for each in entries if template_id in (each.get("id"), each.get("template_id"))]
        if not entries:
            raise InvalidInput(f"the vendor lists no template '{printable(template_id, 100)}'")
    if output_format == "json" or not entries:
        say_json({"templates": list(entries)} if entries else dict(live))
        return
    for each in entries:
        name = each.get("id") or each.get("template_id") or "?"
        label = each.get("label") or each.get("title") or ""
        say(f"{printable(str(name), 60):<32} {printable(str(label), 100)}")
