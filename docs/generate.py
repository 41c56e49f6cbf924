#!/usr/bin/env python3
"""Writes the parts of the documentation that the code already knows.

A page marks such a part by `<!-- generated: NAME -->` and `<!-- end -->`; what stands between is written anew.
`python docs/generate.py` writes the pages, with `--check` it only tells whether one is out of date.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.cli.main import COMMANDS, EXIT_CODES, cli
from pipeline.documents import schema
from pipeline.emulator.faultfile import NAMED
from pipeline.emulator.faults import Operation
from pipeline.manifest.catalog_file import built_in
from pipeline.state.transitions import TRANSITIONS, Phase

ROOT = Path(__file__).resolve().parents[1]
REGION = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
# Flags of every command: told once, not in each table.
EVERYWHERE = frozenset({"--verbose", "--quiet", "--no-color", "--help"})

Schema = Mapping[str, Any]


def pages() -> list[Path]:
    """Every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def up_to_date(text: str) -> str:
    """The text of a page with its generated parts written anew."""
    return REGION.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}", text)


def commands_at_a_glance() -> str:
    """A table of the commands, each with its short help."""
    rows = [f"| `pipeline {name}` | {short} |" for name, (_, short) in COMMANDS.items()]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def exit_codes_at_a_glance() -> str:
    """A table of the exit codes, each with what it means and a link to what to do."""
    rows = [
        f"| [{code.value}](docs/how-to/recover.md#exit-code-{code.value}) | {meaning} |"
        for code, meaning in EXIT_CODES.items()
    ]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def commands() -> str:
    """Every command with its help and its flags, subcommands included."""
    return "\n\n".join(text for _, command, ctx in every_command() for text in _command(command, ctx))


def every_command() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Each command with its name as it is typed, and those of a group after the group."""
    root = click.Context(cli, info_name="pipeline")
    for name in cli.list_commands(root):
        command = cli.get_command(root, name)
        if command is not None:
            yield from _with_subcommands(command, click.Context(command, root, name))


def _with_subcommands(
    command: click.Command, ctx: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield ctx.command_path, command, ctx
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            if below is not None:
                yield from _with_subcommands(below, click.Context(below, ctx, name))


def _command(command: click.Command, ctx: click.Context) -> Iterator[str]:
    yield f"## {ctx.command_path}"
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    yield f"```text\n{usage}\n```"
    # A line of \b keeps click from wrapping the paragraph.
    yield re.sub(r"(?m)^ *\x08\n|^ +", "", command.help or "").strip()
    flags = [
        parameter
        for parameter in command.get_params(ctx)
        if isinstance(parameter, click.Option) and not EVERYWHERE.intersection(parameter.opts)
    ]
    if flags:
        rows = [f"| {_spelling(flag)} | {_cell(flag.help or '')}{_default(flag)} |" for flag in flags]
        yield "\n".join(["| flag | meaning |", "|---|---|", *rows])


def _spelling(option: click.Option) -> str:
    value = "" if option.is_flag or option.count else f" {option.metavar or _kind(option.type)}"
    return f"`{_cell(', '.join(option.opts) + value)}`"


def _kind(kind: "click.ParamType[Any]") -> str:
    match kind:
        case click.Choice():
            return "|".join(str(choice) for choice in kind.choices)
        case click.IntRange() | click.FloatRange():
            return "N"
        case _:
            return kind.name.upper()


def _default(option: click.Option) -> str:
    if option.multiple:
        return " May be given several times."
    if option.is_flag or option.count or not isinstance(option.default, str | int | float):
        return ""
    return f" Default: `{f'{option.default:g}' if isinstance(option.default, float) else option.default}`."


def manifest() -> str:
    """The manifest, key by key, by its schema."""
    return _document(schema.load("campaign"))


def results() -> str:
    """The results manifest, key by key, by its schema."""
    return _document(schema.load("results"))


def own_catalogue() -> str:
    """A catalogue of one's own, key by key, by its schema."""
    return _document(schema.load("catalog"))


def _document(whole: Schema) -> str:
    """A table for the top level, and one for each named shape below that has keys of its own."""
    definitions = whole.get("$defs", {})
    parts = [_keys(whole, definitions)]
    for name, shape in definitions.items():
        tables = [
            text
            for each in (shape, *shape.get("oneOf", ()))
            if each.get("properties")
            for text in (_keys(each, definitions),)
        ]
        if tables:
            about = shape.get("description", "")
            parts.append(f"### {_words(name)}\n" + (f"\n{about}\n" if about else ""))
            parts.append("Written as one of:\n\n" + "\n\n".join(tables) if len(tables) > 1 else tables[0])
    return "\n\n".join(part.strip() for part in parts)


def _keys(shape: Schema, definitions: Schema) -> str:
    rows = list(_rows(shape, definitions, ""))
    return "\n".join(["| key | value | meaning |", "|---|---|---|", *rows])


def _rows(shape: Schema, definitions: Schema, above: str) -> Iterator[str]:
    required = shape.get("required", ())
    for name, given in shape.get("properties", {}).items():
        key = {**_resolved(given, definitions), **{k: v for k, v in given.items() if k != "$ref"}}
        meaning = _cell(key.get("description", key.get("title", "")))
        needed = " **Required.**" if name in required else ""
        default = key.get("default")
        preset = f" Default: `{_json(default)}`." if default not in (None, {}, "") else ""
        yield f"| `{above}{name}` | {_value(given, definitions)} | {meaning}{needed}{preset} |"
        if "$ref" not in given:
            yield from _rows(key, definitions, f"{above}{name}.")
            items = key.get("items", {})
            if "$ref" not in items:
                yield from _rows(items, definitions, f"{above}{name}[].")


def _value(shape: Schema, definitions: Schema) -> str:
    """What may stand there, in a few words."""
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        target = definitions[name]
        has_table = any(each.get("properties") for each in (target, *target.get("oneOf", ())))
        return (
            f"[{_words(name)}](#{_words(name).replace(' ', '-')})"
            if has_table
            else _value(target, definitions)
        )
    if "const" in shape:
        return f"`{_json(shape['const'])}`"
    if "enum" in shape:
        return ", ".join(f"`{_json(choice)}`" for choice in shape["enum"] if choice is not None)
    if "oneOf" in shape:
        words = dict.fromkeys(
            _value(each, definitions) for each in shape["oneOf"] if each.get("type") != "null"
        )
        return " or ".join(words)
    return _of_type(shape, definitions)


def _of_type(shape: Schema, definitions: Schema) -> str:
    types = shape.get("type", "any")
    kinds = [kind for kind in ([types] if isinstance(types, str) else types) if kind != "null"]
    below = shape.get("additionalProperties")
    if "array" in kinds:
        return f"list of {_value(shape.get('items', {}), definitions)}"
    if "object" in kinds and isinstance(below, Mapping):
        return f"map of {_value(below, definitions)}"
    bounds = f" {_bounds(shape)}" if _bounds(shape) else ""
    return " or ".join({"object": "map"}.get(kind, kind) for kind in kinds) + bounds


def _bounds(shape: Schema) -> str:
    least, most = shape.get("minimum"), shape.get("maximum")
    if least is not None and most is not None:
        return f"{least} to {most}"
    return f"from {least}" if least is not None else ""


def _resolved(shape: Schema, definitions: Schema) -> Schema:
    target: Schema = definitions[shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
    return target


def _words(name: str) -> str:
    return re.sub(r"_|(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _json(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def transitions() -> str:
    """The life of a purchase: the table by which the code changes a status."""
    rows = [
        f"| {_phase(before)} | {_sentence(event)} | {_phase(after)} |"
        for (before, event), after in TRANSITIONS.items()
    ]
    return "\n".join(["| from | what happened | to |", "|---|---|---|", *rows])


def _phase(phase: Phase) -> str:
    status, reason = phase
    return f"`{status}`" + (f" ({reason})" if reason else "")


def _sentence(event: type) -> str:
    return (event.__doc__ or "").splitlines()[0].rstrip(".")


def templates() -> str:
    """The built-in catalogue."""
    rows = []
    for template in built_in().templates.values():
        options = ", ".join(f"`{name}`" for name in template.options) or "–"
        rows.append(f"| `{template.id}` | {_cell(template.description or template.title)} | {options} |")
    return "\n".join(["| template | what it makes | options |", "|---|---|---|", *rows])


def faults() -> str:
    """The names of what can go wrong, and the calls that it can happen to."""
    names = ", ".join(f"`{name}`" for name in NAMED)
    calls = ", ".join(f"`{operation}`" for operation in Operation)
    return f"Calls: {calls}.\n\nFaults: {names}."


PARTS: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "commands-at-a-glance": commands_at_a_glance,
    "exit-codes-at-a-glance": exit_codes_at_a_glance,
    "manifest": manifest,
    "results": results,
    "own-catalogue": own_catalogue,
    "transitions": transitions,
    "templates": templates,
    "faults": faults,
}


def main() -> int:
    """Write every page that is out of date; with `--check` only name it, and end with 1."""
    stale = [page for page in pages() if up_to_date(page.read_text("utf-8")) != page.read_text("utf-8")]
    for page in stale:
        sys.stdout.write(f"{page.relative_to(ROOT)}\n")
        if "--check" not in sys.argv:
            page.write_text(up_to_date(page.read_text("utf-8")), "utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
