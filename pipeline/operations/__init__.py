"""What each command does, without output; used by the CLI and the Python API."""
