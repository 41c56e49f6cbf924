"""Ties a test to the statement that it protects: a protection whose loss no test notices is none.

    @fails_without("pipeline.system:lock", "_fcntl.flock(descriptor, ")
    def test_a_second_run_is_refused() -> None: ...

The gate checks that each statement exists; `make proof` removes each in a copy of the checkout and checks that its
test fails.
"""

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])


def fails_without(
    function: str, statement: str, *, swap: tuple[str, str] | None = None
) -> Callable[[Test], Test]:
    """Declare that this test fails if the statement is removed from the function or, with `swap`, changed.

    `function` is `module:Qualified.name`; with nothing behind the colon, the statement is in the module itself.
    `statement` is how the statement begins, as `ast.unparse` writes it: one line, single quotes.
    `swap` is a part of it, written in the same way, and its replacement.
    """
    del function, statement, swap  # `tests/proof` reads them from the source
    return lambda test: test
