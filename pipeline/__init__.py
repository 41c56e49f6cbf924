"""A declarative runner for media campaigns: manifests in git, videos out, never paid twice.

The public names are those of `pipeline.api`; they are imported on first use, so that the command line starts quickly.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pipeline.api import *  # noqa: F403 - its names are the public API
else:
    # Hidden from type checkers: with `__getattr__`, they would accept any name.
    def __dir__() -> list[str]:
        public: list[str] = import_module("pipeline.api").__all__
        return [*public, *(name for name in globals() if name.startswith("__"))]

    def __getattr__(name: str) -> object:
        # `from pipeline import failpoints` calls this before the module is looked up; it must not import the rest.
        if find_spec(f"{__name__}.{name}") is None:
            api = import_module("pipeline.api")
            if name == "__all__" or name in api.__all__:
                return getattr(api, name)
        raise AttributeError(f"module 'pipeline' has no attribute '{name}'")
