"""Lets the schema library be imported quickly.

Where `rfc3987_syntax` is installed, the library would import it, and that compiles the grammars of formats that no
schema of ours has: a second or two in each process that has to explain a problem.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_GRAMMARS = "rfc3987_syntax"


@contextmanager
def grammars_on_demand() -> Iterator[None]:
    """What is imported within finds the grammars, but they are loaded only once a value is checked by one."""
    if _GRAMMARS in sys.modules or find_spec(_GRAMMARS) is None:
        yield
        return
    later: Any = ModuleType(_GRAMMARS)
    later.is_valid_syntax = _is_valid_syntax
    sys.modules[_GRAMMARS] = later
    try:
        yield
    finally:
        del sys.modules[_GRAMMARS]


def _is_valid_syntax(term: str, value: str) -> bool:
    return bool(import_module(_GRAMMARS).is_valid_syntax(term, value))
