"""What callers were given lately, wherever it is kept: `RedisSeen`, or `LocalSeen` in one process.

A model may repeat to one tool what another one told it, and obey what outsiders wrote there. So policy is told, with
each call, what kinds of things whoever calls has read in the last `flow_window_s` seconds (`context.seen`).

Whose memory it is: that of the subject, by tenant and issuer, whichever client or session is used, since a second
client costs nothing and would begin with a clean sheet. Where somebody acts for the subject (RFC 8693, `act`), it is
that one's memory too, and that of everybody in the chain: what an agent read for one person it knows when it acts for
another, or by itself. What is given is noted in all of these memories, and all of them count. The price: an agent that
many people share under one name soon has seen everything, for all of them. An agent that keeps their conversations
apart should have a name for each of them in its tokens.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Protocol

import orjson

from shared.core.caller import Caller
from shared.core.labels import Label

_DIGEST_BYTES = 16


class Seen(Protocol):
    """The memory. It keeps no more than which labels there were: not what was read, nor where, nor how often."""

    async def note(self, caller: Caller, labels: Iterable[Label]) -> None:
        """Remember for at least `flow_window_s` seconds from now that the caller is given something so labelled; to be
        called before it is.

        Raises:
            Unavailable: It may not be remembered, so the caller must not be given it.
        """
        ...

    async def lately(self, caller: Caller) -> frozenset[Label]:
        """What was noted in the last `flow_window_s` seconds for whoever calls, and perhaps a sixtieth longer ago.

        Raises:
            Unavailable: Nobody can tell.
        """
        ...


def memories(caller: Caller) -> tuple[str, ...]:
    """The names of the memories that are the caller's, inside its tenant; digests, since a subject is often an
    address. An agent has the same one whether it acts for somebody or by itself.
    """
    names = dict.fromkeys((caller.subject, *caller.actors))
    return tuple(blake2b(orjson.dumps([caller.issuer, name]), digest_size=_DIGEST_BYTES).hexdigest() for name in names)
