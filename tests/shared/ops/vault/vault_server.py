"""A small Vault: the part of its HTTP API that we use, with its status codes and shapes, kept in memory.

https://developer.hashicorp.com/vault/api-docs: auth/approle, auth/kubernetes, auth/token, secret/kv (v1 and v2),
secret/databases, system/leases, system/wrapping-unwrap.
"""

import json
import secrets
import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = tuple[int, dict[str, Any] | None]
DENIED: Answer = (403, {"errors": ["permission denied"]})
SEALED: Answer = (503, {"errors": ["Vault is sealed"]})


@dataclass
class Lent:
    """A token or a lease, until when, and until when at the very most."""

    ttl_s: float
    until: float
    at_most: float
    renewable: bool = True

    @property
    def left_s(self) -> float:
        return self.until - time.monotonic()

    def renew(self, wanted_s: float) -> float:
        now = time.monotonic()
        self.until = min(now + wanted_s, self.at_most)
        return self.until - now


def lent(ttl_s: float, max_s: float = 3600, *, renewable: bool = True) -> Lent:
    now = time.monotonic()
    return Lent(ttl_s, now + ttl_s, now + max_s, renewable)


@dataclass
class VaultServer:
    """What it knows, and what it was asked.

    Attributes:
        held: Path → data, of key-value engines; under `secret/data/` of version 2.
        database: Path of a role of the database engine → seconds a lease lasts, and at most.
        person: Whom the database engine lends; else somebody new each time.
        refuse_next: Answers to give instead, the first one first.
        sealed: Answers everything with 503.
        login_ttl_s: How long tokens from logins live, and at most.
        asked: Method and path of every request.
        shown: Every token it was shown.
    """

    url: str = ""
    held: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    database: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    person: dict[str, str] | None = None
    approles: dict[str, str] = field(default_factory=dict[str, str])
    pods: dict[str, str] = field(default_factory=dict[str, str])
    wrapped: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    tokens: dict[str, Lent] = field(default_factory=dict[str, Lent])
    leases: dict[str, Lent] = field(default_factory=dict[str, Lent])
    namespace: str | None = None
    refuse_next: list[Answer] = field(default_factory=list[Answer])
    sealed: bool = False
    login_ttl_s: tuple[float, float] = (3600, 86_400)
    asked: list[str] = field(default_factory=list[str])
    shown: set[str] = field(default_factory=set[str])

    def answer(self, method: str, path: str, token: str, namespace: str | None, body: dict[str, Any]) -> Answer:
        self.asked.append(f"{method} {path}")
        self.shown.add(token)
        if self.sealed or self.refuse_next:
            return SEALED if self.sealed else self.refuse_next.pop(0)
        if namespace != self.namespace:
            return 404, {"errors": ["no handler for route"]}
        if path.startswith("auth/") and path.endswith("/login"):
            return self._login(path.split("/")[1], body)
        if path == "sys/wrapping/unwrap":
            found = self.wrapped.pop(token, None)
            wrong = ["wrapping token is not valid or does not exist"]
            return (200, _whole(data=found)) if found else (400, {"errors": wrong})
        if (known := self.tokens.get(token)) is None or known.left_s <= 0:
            return DENIED
        return self._of_token(path, token, known, body)

    def _login(self, mount: str, body: dict[str, Any]) -> Answer:
        if mount == "kubernetes":
            good = self.pods.get(body["role"]) == body["jwt"]
        else:
            good = self.approles.get(body["role_id"]) == body["secret_id"]
        if not good:
            return (
                (403, {"errors": ["permission denied"]})
                if mount == "kubernetes"
                else (400, {"errors": ["invalid secret id"]})
            )
        token = f"hvs.{secrets.token_hex(12)}"
        self.tokens[token] = lent(*self.login_ttl_s)
        return 200, _whole(auth=self._auth(token))

    def _auth(self, token: str) -> dict[str, Any]:
        known = self.tokens[token]
        told = {"lease_duration": round(known.left_s, 3), "renewable": known.renewable}
        return {"client_token": token, "accessor": "a", "policies": ["suite"], "token_type": "service", **told}

    def _of_token(self, path: str, token: str, known: Lent, body: dict[str, Any]) -> Answer:
        if path == "auth/token/lookup-self":
            return 200, _whole(data={"ttl": round(known.left_s, 3), "renewable": known.renewable})
        if path == "auth/token/renew-self":
            if not known.renewable:
                return 400, {"errors": ["lease is not renewable"]}
            known.renew(float(str(body["increment"]).rstrip("s")))
            return 200, _whole(auth=self._auth(token))
        if path == "auth/token/revoke-self":
            del self.tokens[token]
            self.leases.clear()
            return 204, None
        if path == "sys/leases/renew":
            return self._renewed(body)
        return self._read(path)

    def _renewed(self, body: dict[str, Any]) -> Answer:
        lease = self.leases.get(body["lease_id"])
        if lease is None or lease.left_s <= 0:
            return 400, {"errors": ["lease not found"]}
        got = lease.renew(float(body["increment"]))
        return 200, _whole(lease_id=body["lease_id"], lease_duration=round(got, 3), renewable=True)

    def _read(self, path: str) -> Answer:
        if path in self.database:
            lease_id = f"{path}/{secrets.token_hex(8)}"
            lease = self.leases[lease_id] = lent(*self.database[path])
            person = self.person or {
                "username": f"v-app-{len(self.leases)}",
                "password": f"p@ss/{secrets.token_hex(4)}",
            }
            return 200, _whole(lease_id=lease_id, lease_duration=lease.ttl_s, renewable=lease.renewable, data=person)
        if path not in self.held:
            return 404, {"errors": []}
        if path.startswith("secret/data/"):
            metadata = {"version": 3, "created_time": "2026-01-01T00:00:00Z", "deletion_time": "", "destroyed": False}
            return 200, _whole(data={"data": self.held[path], "metadata": metadata})
        return 200, _whole(data=self.held[path], lease_duration=2_764_800)


def _whole(**told: Any) -> dict[str, Any]:
    empty = {"lease_id": "", "renewable": False, "lease_duration": 0, "data": None, "auth": None}
    return {"request_id": "r", **empty, "wrap_info": None, "warnings": None, **told}


@contextmanager
def serving(vault: VaultServer, certificate: Path | None = None, key: Path | None = None) -> Generator[VaultServer]:
    """It, at its `url`, on loopback.

    Args:
        vault: What it knows.
        certificate: PEM file of a certificate; then it speaks TLS.
        key: PEM file of its key.
    """

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            token, namespace = self.headers.get("X-Vault-Token", ""), self.headers.get("X-Vault-Namespace")
            path = self.path.split("?")[0].removeprefix("/v1/")
            status, told = vault.answer(self.command, path, token, namespace, body)
            content = b"" if told is None else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if told and "location" in told:
                self.send_header("Location", told["location"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - as http.server wants them called

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        vault.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield vault
        server.shutdown()
        thread.join()
