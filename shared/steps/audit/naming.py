"""The ids a record names, like C-000042: what "who touched that customer?" is found by.

The writer puts them first into the signed body, as `about`, and the index is made of that: for the database to look for
them in every body took longer than all its other indexes together (decision 0061). The pattern is the one of
`suite.audit_named`, which still looks through bodies that have no `about`.
"""

import re

EMPTY = b'"about":""'
"""What a body holds before its ids are known."""

_TAIL = re.compile(rb"-(?<=[A-Z0-9_]-)(?<!\W\d\d-)(?<!\W\d{4}-)[0-9A-Z]{1,26}(?![A-Za-z0-9_])")
"""What follows the letters: to look for a dash takes a fifth of looking for the whole; most dashes else are dates'."""
_HEAD = re.compile(rb"[A-Z][A-Z0-9_]*\Z")
_HEAD_MAX = 16
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_BREAKS = frozenset((b"\\n", b"\\r", b"\\t"))
"""An end of a line, as JSON spells it: its letter is no part of the word after it."""


def named(body: bytes) -> list[bytes]:
    """The ids in a body, each once, in the order in which they stand there."""
    found: dict[bytes, None] = {}
    after = 0
    for tail in _TAIL.finditer(body):
        dash = tail.start()
        head = _HEAD.search(body, max(after, dash - _HEAD_MAX - 1), dash)
        if head and dash - head.start() <= _HEAD_MAX and _begins(body, head.start()):
            found[body[head.start() : tail.end()]] = None
            after = tail.end()
    return list(found)


def _begins(body: bytes, at: int) -> bool:
    return at == 0 or body[at - 1] not in _WORD or body[at - 2 : at] in _BREAKS
