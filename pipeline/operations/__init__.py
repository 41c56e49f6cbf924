"""The logic of each command, without output; used by the CLI and the Python API."""
