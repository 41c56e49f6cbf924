"""How long a socket may take follows from what is left of the deadline."""

import socket

from pipeline.providers.http.connection import Transmission


class Counting(socket.socket):
    """A socket that counts how often it is told how long it may take."""

    told = 0

    def settimeout(self, value: float | None) -> None:
        self.told += 1
        super().settimeout(value)


def begun(seconds: float) -> Transmission:
    transmission = Transmission()
    transmission.begin(seconds)
    return transmission


def test_a_socket_that_knows_its_time_is_not_told_again() -> None:
    with Counting() as opened:
        transmission = begun(600.0)
        for _ in range(5):
            transmission.limit(opened)

        assert opened.told == 1


def test_a_socket_gets_no_more_than_is_left() -> None:
    with Counting() as opened:
        opened.settimeout(600.0)
        begun(500.0).limit(opened)

        assert 0 < (opened.gettimeout() or 0) <= 500.0


def test_after_the_deadline_a_socket_waits_no_more() -> None:
    with Counting() as opened:
        opened.settimeout(600.0)
        begun(-1.0).limit(opened)

        assert 0 < (opened.gettimeout() or 0) < 0.1


def test_a_socket_gets_more_where_the_deadline_is_lifted() -> None:
    with Counting() as opened:
        transmission = begun(1.0)
        transmission.limit(opened)
        transmission.lift_deadline(600.0)
        transmission.limit(opened)

        assert opened.gettimeout() == 600.0
