"""The vendor's API on this machine, over real HTTP, with real media: for rehearsals and tests.

It shares no code with the client, so that neither can hide the other's mistakes. Its libraries come with an
extra; importing the package without them raises an error that says so, here and nowhere else.
"""

from importlib.util import find_spec

from pipeline.errors import UsageError

_NEEDED = {
    "av": "av",
    "PIL": "pillow",
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
}

_missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
if _missing:
    raise UsageError(
        f"the emulator needs {', '.join(_missing)}: pip install 'campaign-pipeline[emulator]'",
    )
