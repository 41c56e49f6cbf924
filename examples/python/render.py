"""Renders a campaign from a program: what is missing is priced, bought within a limit, and told job by job.

    python render.py ../quickstart/campaign.yaml 500

With a third word, `rehearse`, it runs on the emulator and costs nothing.
"""

import sys
from collections import Counter
from pathlib import Path

import pipeline


def price(planned: pipeline.Plan) -> int | None:
    """The credits of all that would be bought, None where a price is not known."""
    return None if planned.unpriced else planned.credits


def report_event(key: str, what: str) -> None:
    """What happens to a job, as it happens."""
    print(f"{key}: {what}", file=sys.stderr)


def render(manifest: Path, limit: int, *, rehearse: bool) -> pipeline.Outcome | None:
    """Buy what is missing, if it costs no more than `limit` credits; None if it costs more, or nobody knows.

    The run has the limit too: it buys again what fails, where the manifest has `retries`.
    """
    planned = pipeline.plan(manifest, emulate=rehearse)
    cost = price(planned)
    print(f"{len(planned.buying)} to buy, {'price unknown' if cost is None else f'{cost} credits'}")
    if not rehearse and (cost is None or cost > limit):
        why = "a price is not known" if cost is None else f"more than {limit} credits"
        print(f"{why}: nothing was bought")
        return None
    cap = None if rehearse else limit
    return pipeline.run(manifest, max_credits=cap, emulate=rehearse, on_event=report_event)


def main(*arguments: str) -> int:
    """Render a campaign; what to exit with."""
    match arguments:
        case [manifest, limit, *more] if limit.isdecimal() and more in ([], ["rehearse"]):
            return render_or_say_why(Path(manifest), int(limit), rehearse=bool(more))
    print("usage: python render.py MANIFEST CREDITS [rehearse]", file=sys.stderr)
    return pipeline.ExitCode.USAGE


def render_or_say_why(manifest: Path, limit: int, *, rehearse: bool) -> int:
    """Render it, and print how many jobs have which status, or why nothing was bought; what to exit with."""
    try:
        outcome = render(manifest, limit, rehearse=rehearse)
    except pipeline.InvalidInput as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return error.exit_code
    except pipeline.PipelineError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if outcome is None:
        return pipeline.ExitCode.STOPPED_BUYING
    for status, number in sorted(Counter(standing.status for standing in outcome.jobs.values()).items()):
        print(f"{number} {status}")
    return outcome.code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
