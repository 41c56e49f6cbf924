"""Shared by the tests of the commands: campaigns on disk, calls of the command line, real processes."""
