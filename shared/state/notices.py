"""Notices that something changed, for clients that asked to be told: kept for a while, so that none is missed."""

import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

NOW = "$"
"""As a position: only what comes from now on."""

MOST = 1000
"""Notices kept of one server and tenant."""

KEPT_S = 600

_POSITION = re.compile("([0-9]{1,15})-([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class Notice:
    """One resource changed.

    Attributes:
        id: Position in the log of its server and tenant; later notices have greater ones, by `position_of`.
        uri: Of the resource.
    """

    id: str
    uri: str


class Following(Protocol):
    """The notices of one server and tenant, as they come."""

    @property
    def position(self) -> str:
        """The id of the last notice that was given out, or after which the following began."""
        ...

    async def next(self, timeout_s: float) -> Sequence[Notice]:
        """What came since the last look, in order; empty when the time is up."""
        ...


class Notices(Protocol):
    """Where notices go: `RedisNotices`, or `LocalNotices` within one process."""

    async def publish(self, server: str, tenant: str, uris: Sequence[str]) -> None:
        """Tell everybody of this tenant who follows; never raises: what cannot be told is lost, and counted."""
        ...

    async def deliver(self, server: str, tenant: str, uris: Sequence[str]) -> None:
        """As `publish`, for whoever can tell it again later.

        Raises:
            Unavailable: It may not have been told.
        """
        ...

    def following(self, server: str, tenant: str, after: str = NOW) -> AbstractAsyncContextManager[Following]:
        """Follow, beginning after the notice with the id `after`, as far back as they are kept.

        What is no id of ours begins as far back as they are kept.
        """
        ...


def notices_topic(server: str, tenant: str) -> str:
    """The bus topic that tells of new notices."""
    return f"notices:{server}:{tenant}"


def position_of(notice_id: str) -> tuple[int, int]:
    """By which ids compare; the beginning for what is no id."""
    found = _POSITION.fullmatch(notice_id)
    return (int(found[1]), int(found[2])) if found else (0, 0)
