"""What can be said of a mail, and of each who should get it.

queued ── sending ─┬─ sent       nobody waits any more, and the relay took it for at least one
    │        ▲     ├─ failed     it refused all of them for good
    │        │     ├─ retrying   it said: later; or some wait still
    │        │     └─ unknown    it may have it: the connection or the worker was lost before it answered
    │        └── retrying, unknown
    └─ cancelled, dead (too old); from retrying and unknown as well
"""

from typing import Literal

# In the order of arguments.State: `Literal | None` is cached by the set of its words, so one order has to be both.
State = Literal["queued", "sending", "retrying", "sent", "failed", "dead", "cancelled", "unknown"]
WAITING: tuple[State, ...] = ("queued", "retrying", "unknown")
"""What may still be sent, cancelled, or grow too old."""

ENDED: tuple[State, ...] = ("sent", "failed", "dead", "cancelled")
"""What goes no more by itself."""

RecipientState = Literal["waiting", "sent", "refused", "given_up", "cancelled"]
