"""Ties a test to the statement that it protects: what nothing notices the loss of is no protection.

    @fails_without("pipeline.system:lock", "_fcntl.flock(descriptor, ")
    def test_a_second_run_is_refused() -> None: ...

The gate checks that each statement is there; `make proof` takes each out, in a copy of the checkout, and sees its
test fail.
"""

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])


def fails_without(
    function: str, statement: str, *, swap: tuple[str, str] | None = None
) -> Callable[[Test], Test]:
    """Say that this test fails where the statement is gone from the function or, with `swap`, reads otherwise.

    `function` is `module:Qualified.name`; with nothing behind the colon the statement stands in the module itself.
    `statement` is how it begins, in the spelling of `ast.unparse`: one line, single quotes.
    `swap` is a part of it, in the same spelling, and what stands there then.
    """
    del function, statement, swap  # `tests/proof` reads them from the source
    return lambda test: test
