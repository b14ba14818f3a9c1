"""Closing a socket that listens loses nobody who was let in."""

import socket
import sys

import pytest

from shared.edge import backlog


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing can be kept out")
def test_who_is_there_is_taken_and_who_comes_later_is_neither_let_in_nor_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        where = listening.getsockname()
        with socket.create_connection(where, 5) as early:
            early.sendall(b"question")
            backlog.keep_new_out([listening])
            with pytest.raises(TimeoutError):
                socket.create_connection(where, 0.1)
            [taken] = backlog.take_all([listening])
            listening.close()
            with taken:
                taken.setblocking(True)
                assert taken.recv(100) == b"question"
                taken.sendall(b"answer")
            assert early.recv(100) == b"answer"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, 5)


def test_where_nobody_waits_nothing_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert backlog.take_all([listening]) == []
