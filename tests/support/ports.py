"""Ports for servers that are told their port."""

import contextlib
import random
import socket

# The system gives none of these to a program that takes any port: not to a server, and not to a client.
_OURS = range(20_000, 30_000)


def free_port() -> int:
    """A port that is free, and stays so until it is used: only another call could name the same."""
    for port in random.sample(_OURS, 100):
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("none of a hundred ports is free")
