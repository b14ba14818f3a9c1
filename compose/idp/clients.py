import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from compose.idp.machines import MACHINES, Machine
from compose.idp.private_file import read_or_make


@dataclass(frozen=True)
class Client:
    """A program that may ask for tokens.

    Attributes:
        auth_methods: How it may prove itself at the token endpoint; `none` for a public client.
        machine: Who it is by itself, if it may use client credentials.
    """

    id: str
    name: str
    auth_methods: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()
    secret: str | None = field(default=None, repr=False)
    machine: Machine | None = None


class Clients:
    """The machines, which are fixed, and the programs that registered themselves, of which the newest are kept."""

    def __init__(self, keys_dir: Path | None = None, capacity: int = 500) -> None:
        self._capacity = capacity
        self._machines = _machine_clients(_machine_secrets(keys_dir))
        self._registered: dict[str, Client] = {}

    def add(self, client: Client) -> None:
        """Keep a registered client; the oldest gives way when there are too many."""
        while len(self._registered) >= self._capacity:
            del self._registered[next(iter(self._registered))]
        self._registered[client.id] = client

    def get(self, client_id: str) -> Client | None:
        return self._machines.get(client_id) or self._registered.get(client_id)


def _machine_clients(machine_secrets: Mapping[str, str]) -> dict[str, Client]:
    methods = ("client_secret_basic", "client_secret_post")
    return {
        key: Client(key, machine.name, methods, secret=machine_secrets[key], machine=machine)
        for key, machine in MACHINES.items()
    }


def _machine_secrets(keys_dir: Path | None) -> dict[str, str]:
    fresh = {client_id: secrets.token_urlsafe(32) for client_id in MACHINES}
    if keys_dir is None:
        return fresh
    kept = orjson.loads(read_or_make(keys_dir / "idp-machines.json", lambda: orjson.dumps(fresh)))
    return {**fresh, **kept}
