"""Several processes of one server under one load, which is spread over them as a round robin would."""

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tests.bench.connection import Ask
from tests.bench.machine import Cores, bound
from tests.bench.targets import Target


@dataclass(frozen=True)
class Replicas:
    """Replicas of one server.

    Attributes:
        members: All but the first know the first's name, and its keys.
        apart: A core for each; generator and stores are then wherever there is room. Else all on the server's core.
        stores: Processes of PostgreSQL and Redis.
    """

    name: str
    members: Sequence[Target]
    apart: bool = False
    stores: Sequence[int] = ()

    @property
    def token(self) -> str | None:
        return self.members[0].token

    @property
    def cores(self) -> int:
        """How many they were given."""
        return len(self.members) if self.apart else 1

    @property
    def ports(self) -> Sequence[int]:
        return [member.port for member in self.members]

    @asynccontextmanager
    async def running(self, ready: Ask, cores: Cores) -> AsyncGenerator[Sequence[int]]:
        """The process ids, once every replica answered `ready` rightly."""
        async with AsyncExitStack() as stack:
            if self.apart and cores.server:
                stack.enter_context(bound((os.getpid(), *self.stores), cores.every, cores.others))
            places = [frozenset({core}) for core in sorted(cores.every)] if self.apart else [cores.server]
            started: list[int] = []
            for number, member in enumerate(self.members):
                core = places[number % len(places)] if places else None
                started.append(await stack.enter_async_context(member.on(core, ready)))
            yield started
