"""What can go wrong between us and the other side, each at a known place: before the write took effect, or after."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "limited",
    "limited_at_date",
    "error_before",
    "error_after",
    "slow_before",
    "slow_after",
    "dripping",
    "malformed",
    "html",
    "oversize",
    "other_shape",
    "reset_before",
    "reset_after",
    "redirect",
    "unauthorized",
]

TAKES_EFFECT = {"error_after", "slow_after", "dripping", "malformed", "html", "oversize", "other_shape", "reset_after"}
"""A write is done, and its answer is not to be had."""


@dataclass
class Fault:
    """What the next requests of a kind meet.

    Attributes:
        method: An expression that the method matches.
        path: An expression that is somewhere in the path.
        times: How many of them.
        after_s: What is said of when to come back.
    """

    kind: Kind
    method: str = ".*"
    path: str = ""
    times: int = 1
    after_s: int = 0

    def meets(self, method: str, path: str) -> bool:
        return self.times > 0 and bool(re.fullmatch(self.method, method)) and bool(re.search(self.path, path))
