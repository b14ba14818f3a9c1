"""Where the official suite finds both servers behind the balancer, three replicas of each."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.conformance.everything import server
from tests.conformance.referee import Target
from tests.conformance.scenarios import Era
from tests.conformance.server.tools import SCOPE
from tests.e2e.fleet import Drill, open_drill

NAMES = ("customers", "tests.conformance.replica")

WITHOUT = {
    "dns-rebinding-protection": (
        "behind TLS its client refuses the certificate before it sends a foreign name, and wants `localhost` to be "
        "one of the server's names"
    )
}
"""Scenario → why it says nothing behind a balancer."""


@asynccontextmanager
async def open_balanced(folder: Path) -> AsyncGenerator[tuple[Target, Target]]:
    """The customers server and the one with the suite's names, in a fleet of their own."""
    async with open_drill(folder, names=NAMES) as drill:
        authority = drill.fleet.balancer.authority
        customers = Target(drill.url(), drill.token("admin"), folder / "found", authority)
        yield customers, everything(drill, folder / "found-everything")


def everything(drill: Drill, folder: Path) -> Target:
    """The server with the suite's names in a running fleet, and where to put what is found."""
    token = drill.token("admin", server.name, scopes=[SCOPE])
    return Target(drill.url(server.name), token, folder, drill.fleet.balancer.authority)


def behind(era: Era) -> Era:
    """What is to be run there."""
    left_out = {**era.left_out, **{name: reason for name, reason in WITHOUT.items() if name in era.run}}
    return replace(era, run=[name for name in era.run if name not in WITHOUT], left_out=left_out)
