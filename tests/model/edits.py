"""Random edits of a manifest."""

from collections.abc import Callable, Iterable

from hypothesis import strategies as st

from model.manifest import Manifest, Row

DEEPEST = 3
MAX_ROWS = 7
TEXTS = ("she walks", "she dances", "she runs")

# Two prompts with the same text, so that jobs share purchases.
FIRST = Manifest(
    {"walk": TEXTS[0], "stroll": TEXTS[0], "dance": TEXTS[1]}, {"blue": "a" * 64, "red": "b" * 64}
)

Edit = Callable[[Manifest], Manifest]
# Rule, prompt, image, upstream, take, retries, and whether only an approved take is used.
Written = tuple[str, int, int, int | None, int, int, bool]

_numbers = st.integers(0, 99)
_rules = st.sampled_from(["hero", "teaser"])
rows = st.tuples(
    _rules,
    _numbers,
    _numbers,
    st.none() | _numbers,
    st.sampled_from([1, 1, 1, 2]),
    st.sampled_from([0, 0, 0, 1, 2]),
    st.sampled_from([False, False, True]),
)


def with_a_row(manifest: Manifest, written: Written) -> Manifest:
    rule, prompt, image, upstream, take, retries, only_approved = written
    if len(manifest.rows) >= MAX_ROWS:
        return manifest
    above = sorted(manifest.rows)[upstream % len(manifest.rows)] if upstream and manifest.rows else None
    if above is not None and manifest.depth(above) >= DEEPEST:
        above = None
    return manifest.with_row(
        Row(
            rule,
            _nth(manifest.prompts, prompt),
            _nth(manifest.images, image),
            above,
            take,
            retries,
            only_approved=only_approved and above is not None,
        )
    )


def _nth(names: Iterable[str], number: int) -> str:
    listed = sorted(names)
    return listed[number % len(listed)]


def _change_a_prompt(manifest: Manifest, one: int, other: int) -> Manifest:
    return manifest.with_prompt(_nth(manifest.prompts, one), _nth(TEXTS, other))


def _change_an_image(manifest: Manifest, one: int, other: int) -> Manifest:
    return manifest.with_image(_nth(manifest.images, one), _nth("abc", other) * 64)


def _swap_two_prompts(manifest: Manifest, one: int, other: int) -> Manifest:
    return manifest.with_prompts_swapped(_nth(manifest.prompts, one), _nth(manifest.prompts, other))


def _rename_a_prompt(manifest: Manifest, one: int, other: int) -> Manifest:
    new = _nth(["saunter", "waltz"], other)
    if new in manifest.prompts:
        return manifest
    return manifest.with_prompt_renamed(_nth(manifest.prompts, one), new)


def _rename_an_image(manifest: Manifest, one: int, other: int) -> Manifest:
    new = _nth(["rose", "sky"], other)
    return (
        manifest if new in manifest.images else manifest.with_image_renamed(_nth(manifest.images, one), new)
    )


def _move_a_job(manifest: Manifest, one: int, other: int) -> Manifest:
    numbers = sorted(manifest.rows)
    if not numbers:
        return manifest
    return manifest.with_row_moved(numbers[one % len(numbers)], _nth(["hero", "teaser"], other))


def _remove_a_job(manifest: Manifest, one: int, _other: int) -> Manifest:
    numbers = sorted(manifest.rows)
    return manifest.without_row(numbers[one % len(numbers)]) if numbers else manifest


_CHANGES = (
    _change_a_prompt,
    _change_an_image,
    _swap_two_prompts,
    _rename_a_prompt,
    _rename_an_image,
    _move_a_job,
    _remove_a_job,
)


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    """One edit, which is valid for any manifest."""
    if draw(st.integers(0, 3)) == 0:
        written = draw(rows)
        return lambda manifest: with_a_row(manifest, written)
    change, one, other = draw(st.sampled_from(_CHANGES)), draw(_numbers), draw(_numbers)
    return lambda manifest: change(manifest, one, other)
