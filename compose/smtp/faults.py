"""What a sink does wrong on purpose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["greeting", "EHLO", "MAIL", "RCPT", "DATA", "text"]
End = Literal["drop_accepted", "drop_lost"]


@dataclass
class Faults:
    """May be changed while the sink runs.

    Attributes:
        replies: What it says at a stage instead of yes, e.g. `{"MAIL": "451 4.3.0 Later"}`; `text` is the answer to
            the whole mail.
        recipients: The same for single addresses.
        ends: Asked with the Message-ID of each mail that would be accepted: `drop_accepted` keeps it and closes the
            connection before it answers, `drop_lost` closes the connection and keeps nothing.
        wait_s: How long a whole mail waits for its answer.
    """

    replies: Mapping[Stage, str] = field(default_factory=dict[Stage, str])
    recipients: Mapping[str, str] = field(default_factory=dict[str, str])
    ends: Callable[[str], End | None] = lambda _message_id: None
    wait_s: float = 0.0
