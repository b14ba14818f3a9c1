"""Calls to our own other servers: one POST each, as MCP has it since 2026-07-28.

- `opened.py`    what a process has: the servers that it asked so far
- `asked.py`     a client for one of them, and what a call gets of it
- `messages.py`  a request as it leaves, and what may come back
- `failures.py`  what a refusal of theirs means to our caller
"""

from shared.edge.peers.opened import OpenedPeers, open_peers

__all__ = ["OpenedPeers", "open_peers"]
