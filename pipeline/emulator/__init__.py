"""The vendor's API on this machine, over real HTTP, making real media: to rehearse with, and to test against.

It shares no code with the client, so that neither can hide the other's mistakes. Its libraries come with an
extra, and importing it without them says so: this is the one place that looks.
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
