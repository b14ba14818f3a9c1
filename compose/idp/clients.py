import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import orjson
from joserfc.jwk import Key

from compose.idp import client_keys
from compose.idp.documents import Documents, Published
from compose.idp.machines import MACHINES, Machine
from compose.idp.private_file import read_or_make

_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")


@dataclass(frozen=True)
class Client:
    """A program that may ask for tokens, or about them.

    Attributes:
        auth_methods: How it may prove itself at the token endpoint; `none` for a public client.
        keys: What its assertions are verified with, for `private_key_jwt`.
        grant_types: Of the authorization code's family; nobody is given others by registering.
        publisher: Host its metadata document comes from, if its id is the address of one.
        machine: Who it is by itself, if it may use client credentials.
        resource: Which resource it is, if it may ask about all tokens for that one.
    """

    id: str
    name: str
    auth_methods: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()
    secret: str | None = field(default=None, repr=False)
    grant_types: tuple[str, ...] = ("authorization_code",)
    publisher: str | None = None
    machine: Machine | None = None
    resource: str | None = None
    keys: tuple[Key, ...] = field(default=(), repr=False)

    @property
    def may_refresh(self) -> bool:
        return "refresh_token" in self.grant_types


class Clients:
    """The machines and resource servers, which are fixed; programs that registered themselves, of which the newest
    are kept; and programs whose id is the address of their metadata document.
    """

    def __init__(
        self,
        keys_dir: Path | None = None,
        capacity: int = 500,
        resources: Iterable[str] = (),
        documents: Documents | None = None,
        fixed: Iterable[Client] = (),
    ) -> None:
        self._capacity = capacity
        self._documents = documents
        secret = _resource_secret(keys_dir)
        names = {resource_server_id(resource): resource for resource in resources}
        self._pairs = client_keys.kept(MACHINES, keys_dir)
        self._pairs |= {name: client_keys.derived(secret, name) for name in names}
        known = _machine_clients(_machine_secrets(keys_dir)) | _resource_clients(names, secret)
        self._fixed = {
            name: replace(client, keys=(client_keys.public(self._pairs[name]),)) for name, client in known.items()
        }
        self._fixed |= {client.id: client for client in fixed}
        self._registered: dict[str, Client] = {}

    def add(self, client: Client) -> None:
        """Keep a registered client; the oldest gives way when there are too many."""
        while len(self._registered) >= self._capacity:
            del self._registered[next(iter(self._registered))]
        self._registered[client.id] = client

    def get(self, client_id: str) -> Client | None:
        """A client known here, without asking anybody."""
        return self._fixed.get(client_id) or self._registered.get(client_id)

    def private_key(self, client_id: str) -> Key:
        """The private key of a machine or resource server.

        Raises:
            KeyError: There is no such one.
        """
        return self._pairs[client_id]

    async def find(self, client_id: str) -> Client | None:
        """A client known here or, by its metadata document, elsewhere.

        Raises:
            OAuthError: `invalid_client`: the document cannot be had, or says what it must not.
        """
        known = self.get(client_id)
        if known is not None or self._documents is None or "://" not in client_id:
            return known
        return _published(client_id, await self._documents.read(client_id))


def resource_server_id(resource: str) -> str:
    """The client id of a resource server; not its URL, whose colon HTTP Basic would take for the end of a name."""
    return f"resource-{sha256(resource.encode()).hexdigest()[:16]}"


def _published(client_id: str, document: Published) -> Client:
    return Client(
        client_id,
        document.name,
        ("none",),
        document.redirect_uris,
        grant_types=document.grant_types,
        publisher=document.host,
    )


def _machine_clients(machine_secrets: Mapping[str, str]) -> dict[str, Client]:
    return {
        key: Client(key, machine.name, _METHODS, secret=machine_secrets[key], grant_types=(), machine=machine)
        for key, machine in MACHINES.items()
    }


def _machine_secrets(keys_dir: Path | None) -> dict[str, str]:
    fresh = {client_id: secrets.token_urlsafe(32) for client_id in MACHINES}
    if keys_dir is None:
        return fresh
    kept = orjson.loads(read_or_make(keys_dir / "idp-machines.json", lambda: orjson.dumps(fresh)))
    return {**fresh, **kept}


def _resource_secret(keys_dir: Path | None) -> bytes:
    path = keys_dir / "idp-resources.key" if keys_dir else None
    return read_or_make(path, lambda: secrets.token_bytes(32)) if path else secrets.token_bytes(32)


def _resource_clients(names: Mapping[str, str], key: bytes) -> dict[str, Client]:
    """Their secrets are derived, so that every process over one `keys_dir` knows them, whatever it serves."""
    made: dict[str, Client] = {}
    for name, resource in names.items():
        secret = hmac.new(key, resource.encode(), sha256).hexdigest()
        made[name] = Client(name, resource, _METHODS, secret=secret, grant_types=(), resource=resource)
    return made


def server_client(client_id: str, resource: str, secret: str) -> Client:
    """A resource server under a name and secret of its own, beside those that are derived for it: for servers that
    share no files with the provider.
    """
    methods = ("client_secret_basic", "client_secret_post")
    return Client(client_id, resource, methods, secret=secret, grant_types=(), resource=resource)


def web_client(client_id: str, name: str, callback: str, secret: str | None) -> Client:
    """A web application that signs people in and gets refresh tokens; a public one without a secret."""
    methods = ("client_secret_basic", "client_secret_post") if secret else ("none",)
    grants = ("authorization_code", "refresh_token")
    return Client(client_id, name, methods, (callback,), secret, grants)
