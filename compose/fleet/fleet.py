import signal
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import httpx

from compose.fleet import environment
from compose.fleet.plan import Plan, free_ports
from compose.fleet.process import Process
from compose.fleet.program import Program
from compose.proxy.balancer import Balancer, run_balancer
from compose.proxy.topology import Replica, Topology
from shared.state.roles import Urls

_STOP_S = 15.0
_SEEN_S = 15.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Fleet:
    """A running fleet.

    Attributes:
        plan: What it was made of.
        balancer: In front of everything.
        provider: The mock identity provider.
        replicas: Of each server, in order of number.
    """

    plan: Plan
    balancer: Balancer
    provider: Process
    replicas: Mapping[str, Sequence[Process]]

    @property
    def processes(self) -> list[Process]:
        """All but the balancer."""
        return [self.provider, *(replica for group in self.replicas.values() for replica in group)]

    async def ready(self) -> None:
        """Wait until every process answers and the balancer sends it calls."""
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            for process in self.processes:  # they start together, whoever is waited for first
                await process.ready(client)
        for server, group in self.replicas.items():
            await self.seen(server, group)

    async def seen(self, server: str, group: Iterable[Process]) -> None:
        """Wait until the balancer sends calls to these replicas.

        Raises:
            TimeoutError: It does not, for 15 seconds.
        """
        names = {replica.name for replica in group}
        with anyio.fail_after(_SEEN_S):
            while not names <= _up(self.balancer.states(server)):  # noqa: ASYNC110 - it happens in another process
                await anyio.sleep(_POLL_S)


@asynccontextmanager
async def open_fleet(plan: Plan, urls: Urls, redis_url: str) -> AsyncGenerator[Fleet]:
    """The whole fleet, ready for calls; its processes end with the context, and with this process.

    Args:
        plan: What to run.
        urls: Of the database; its tables are there already.
        redis_url: Of the Redis that all replicas share.

    Raises:
        Misconfigured: Something does not start; quotes its last words.
    """
    plan.logs.mkdir(mode=0o700, exist_ok=True)
    provider_port, *ports = free_ports(1 + len(plan.programs) * plan.replicas)
    provider = _provider(plan, provider_port)
    shared = environment.shared_settings(plan, urls, redis_url)
    shared |= environment.where_provider_listens(f"http://127.0.0.1:{provider_port}")
    replicas = _replicas(plan, shared, ports, urls)
    known = {name: [Replica(one.name, f"127.0.0.1:{one.port}") for one in group] for name, group in replicas.items()}
    topology = Topology(known, f"127.0.0.1:{provider_port}", port=plan.port, sites=plan.sites)
    with run_balancer(topology, folder=plan.folder / "balancer") as balancer:
        environment.keep_trust(plan)
        fleet = Fleet(plan, balancer, provider, replicas)
        try:
            for process in fleet.processes:
                process.start()
            await fleet.ready()
            yield fleet
        finally:
            with anyio.CancelScope(shield=True):
                await _end(fleet)


def _provider(plan: Plan, port: int) -> Process:
    return Process(
        "identity-provider",
        environment.command_of_provider(),
        environment.of_provider(plan, port),
        port,
        f"http://127.0.0.1:{port}/idp/jwks.json",
        plan.logs / "identity-provider.log",
    )


def _replicas(plan: Plan, shared: Mapping[str, str], ports: Iterable[int], urls: Urls) -> dict[str, list[Process]]:
    free = iter(ports)
    return {
        program.server.name: [
            _replica(plan, f"{program.server.name}-{number}", program, shared, next(free), urls)
            for number in range(1, plan.replicas + 1)
        ]
        for program in plan.programs
    }


def _replica(plan: Plan, name: str, program: Program, shared: Mapping[str, str], port: int, urls: Urls) -> Process:
    own = environment.of_server(plan, program.server.name, urls)
    told = environment.of_replica(shared, port, plan.folder / name, own)
    return Process(name, program.command, told, port, f"http://127.0.0.1:{port}/readyz", plan.logs / f"{name}.log")


def _up(states: Mapping[str, str]) -> set[str]:
    return {name for name, state in states.items() if state == "up"}


async def _end(fleet: Fleet) -> None:
    """Before the balancer, so that calls in flight still reach those who asked."""
    for process in fleet.processes:
        process.send(signal.SIGTERM)
    with anyio.move_on_after(_STOP_S):
        for process in fleet.processes:
            await process.ended()
    for process in fleet.processes:
        process.kill()
