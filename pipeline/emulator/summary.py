"""The request of a workflow as the words on its pictures, and as a number that varies them."""

import json
from urllib.parse import urlsplit

from pipeline.emulator.drawing import seed_of
from pipeline.emulator.workflow import Workflow
from pipeline.jobs import Json

# The options in which people write what they want to see; the first that is there is shown large.
_TEXT_OPTIONS = ("prompt", "image_description", "product_name", "song_theme", "job_description", "user_name")
# Their urls have badges of their own.
_SHOWN_ELSEWHERE = {"background_urls"}


def text_of(workflow: Workflow) -> str:
    """The prompt, or what comes nearest to one; empty where there is none."""
    name = _text_option(workflow)
    return "" if name is None else str(workflow.options[name])


def note_of(workflow: Workflow, *more: str) -> str:
    """The template, `more`, and all options but the text."""
    hidden = {*_SHOWN_ELSEWHERE, _text_option(workflow)}
    options = [f"{name} {_readable(value)}" for name, value in workflow.options.items() if name not in hidden]
    return " · ".join((workflow.template_id.replace("_", " "), *more, *options))


def request_seed(workflow: Workflow) -> int:
    """A number that another template, option or take changes, and nothing else."""
    asked = [workflow.template_id, workflow.options, workflow.take]
    return seed_of(json.dumps(asked, sort_keys=True))


def short_url(url: str) -> str:
    """A url without what is secret or long in it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "an unreadable url"
    return f"{host}{parts.path}" if host else url


def _text_option(workflow: Workflow) -> str | None:
    options = workflow.options
    return next(
        (name for name in _TEXT_OPTIONS if options.get(name) and isinstance(options[name], str)), None
    )


def _readable(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return short_url(text) if "://" in text else text
