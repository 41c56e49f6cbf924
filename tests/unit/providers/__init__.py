"""Tests of the vendor's client, against real sockets."""
