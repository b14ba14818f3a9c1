"""Connections that the kernel made for us and nobody took yet: to close the listening socket would reset them.

Whoever made one has sent its request. So new ones are kept out first, and then those that are there are taken. What
would begin a connection is dropped; its client tries again after a second, and is refused before it sent anything.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress

_ATTACH_FILTER = 26
"""Linux's SO_ATTACH_FILTER, which Python does not name."""

_NO_NEW = (
    (0x30, 0, 0, 13),  # load the flags of the TCP header
    (0x54, 0, 0, 0x12),  # keep SYN and ACK of them
    (0x15, 0, 1, 0x02),  # is it SYN alone?
    (0x06, 0, 0, 0),  # then it begins a connection: drop it
    (0x06, 0, 0, 0xFFFF_FFFF),  # else take all of it
)
"""A classic BPF program: operation, steps to jump if true and if false, operand."""


def keep_new_out(listening: Sequence[socket.socket]) -> None:
    """Let no connection begin; those that are being made will be there a moment later.

    Where that cannot be had (not Linux, or forbidden) nothing happens: a connection of the very last moment is lost.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _NO_NEW))
    for one in listening:
        with suppress(OSError):
            one.setsockopt(
                socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(_NO_NEW), ctypes.addressof(program))
            )


def take_all(listening: Sequence[socket.socket]) -> list[socket.socket]:
    """Accept until there are no more; none waits for data."""
    taken: list[socket.socket] = []
    for one in listening:
        one.setblocking(False)
        while True:
            try:
                connection, _ = one.accept()
            except OSError:  # there are no more, or none can be had
                break
            connection.setblocking(False)
            taken.append(connection)
    return taken
