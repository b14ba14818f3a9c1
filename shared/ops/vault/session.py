"""Asking Vault: signing in, reading, renewing; with patience for one that is away, and none for one that says no.

What Vault answers when it refuses is told to nobody: it may repeat what it was sent.
"""

import random
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

import hvac  # pyright: ignore[reportMissingTypeStubs] - it has none; what it answers is taken as Any
import requests
from hvac import exceptions  # pyright: ignore[reportMissingTypeStubs] - as said above

from shared.core.errors import Misconfigured
from shared.core.vault_settings import Vault
from shared.ops.vault.lease import Answer, Away, Lease, Refused

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 4.0
_PASSING = (
    *(exceptions.VaultDown, exceptions.InternalServerError, exceptions.BadGateway),
    *(exceptions.RateLimitExceeded, exceptions.PreconditionFailed, exceptions.VaultNotInitialized),
    requests.RequestException,
)
_MEANINGS: dict[type[Exception], str] = {
    exceptions.Forbidden: "permission denied: the policy of our role or token lacks it, or the token is no longer good",
    exceptions.Unauthorized: "permission denied",
    exceptions.InvalidPath: "there is nothing",
    exceptions.InvalidRequest: "the request is refused: a wrong id or secret, a used wrapping token, an ended lease",
}


class Session:
    """Signed in at one Vault. To be used by one thread at a time."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._client: Any = hvac.Client(
            url=vault.url,
            token="",  # never the one of whoever runs us, which hvac would take from VAULT_TOKEN or ~/.vault-token
            verify=str(vault.ca) if vault.ca else True,
            timeout=cast("int", vault.answer_s),
            namespace=vault.namespace,
            allow_redirects=False,  # a redirect would take our token to wherever it points
        )
        self._until = time.monotonic() + vault.start_s
        self.token: Lease | None = None

    def sign_in(self) -> None:
        """As the settings say.

        Raises:
            Refused: Vault does not know us.
            Away: It did not answer within `start_s`.
        """
        vault = self._vault
        if vault.role_id and vault.secret_id:
            secret = vault.secret_id.get_secret_value()
            if vault.secret_id_wrapped:
                secret = self._unwrapped(secret)
            login = self._client.auth.approle.login
            mount = vault.auth_mount or "approle"
            self._signed_in(lambda: login(vault.role_id, secret, mount_point=mount), f"auth/{mount}/login")
        elif vault.role:
            jwt, mount = _content(vault.jwt_file, "SUITE_VAULT__JWT_FILE"), vault.auth_mount or "kubernetes"
            login = self._client.auth.kubernetes.login
            self._signed_in(lambda: login(vault.role, jwt, mount_point=mount), f"auth/{mount}/login")
        elif vault.token_file:
            self._client.token = _content(vault.token_file, "SUITE_VAULT__TOKEN_FILE")
        elif vault.token:
            self._client.token = vault.token.get_secret_value()

    def _unwrapped(self, wrapping: str) -> str:
        self._client.token = wrapping  # it is what we are known by there, until we have signed in
        try:
            answer = self._patiently(self._client.sys.unwrap, "sys/wrapping/unwrap")
        except Refused as error:
            raise Refused(
                f"{error}. If nobody else was meant to unwrap SUITE_VAULT__SECRET_ID, take it for stolen"
            ) from None
        finally:
            self._client.token = ""
        return str(answer["data"]["secret_id"])

    def _signed_in(self, login: Callable[[], Any], what: str) -> None:
        given = self._patiently(login, what)["auth"]
        self._client.token = given["client_token"]
        self.token = Lease("token", "", float(given["lease_duration"]), bool(given["renewable"]))

    def read(self, path: str) -> Answer:
        """What is at a path of the API; of a versioned key-value engine (v2) the newest version.

        Raises:
            Refused: There is nothing, or not for us.
            Away: Vault did not answer within `start_s` of the session's beginning.
        """
        answer = self._patiently(lambda: self._client.adapter.get(f"/v1/{path}"), path)
        data: dict[str, Any] = answer.get("data") or {}
        if data.keys() == {"data", "metadata"} and "version" in data["metadata"]:
            data = data["data"] or {}
        return Answer(data, _lease(path, answer))

    def own_token(self) -> Lease | None:
        """The token, as something lent; None if it never ends."""
        if self.token is None:
            known = self._patiently(self._client.auth.token.lookup_self, "auth/token/lookup-self")["data"]
            return Lease("token", "", float(known["ttl"]), bool(known["renewable"])) if known["ttl"] else None
        return self.token if self.token.ttl_s else None

    def renew(self, lease: Lease, wanted_s: float) -> Lease:
        """The same for longer, though perhaps not as long as wanted; asked once.

        Raises:
            Refused: No.
            Away: No answer.
        """
        if lease.id:
            answer = self._once(lambda: self._client.sys.renew_lease(lease.id, round(wanted_s)), "sys/leases/renew")
            return _lease(lease.name, answer) or lease
        answer = self._once(lambda: self._client.auth.token.renew_self(f"{round(wanted_s)}s"), "auth/token/renew-self")[
            "auth"
        ]
        return Lease("token", "", float(answer["lease_duration"]), bool(answer["renewable"]))

    def give_back(self) -> None:
        """End the token that we were given, and with it all that was lent on it; one that we brought stays."""
        if self.token is not None:
            self._once(self._client.auth.token.revoke_self, "auth/token/revoke-self")

    def _patiently(self, ask: Callable[[], Any], what: str) -> Any:
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                return self._once(ask, what)
            except Away:
                pause_s = random.uniform(wait_s / 2, wait_s)  # noqa: S311 - many processes must not ask in step
                if time.monotonic() + pause_s > self._until:
                    raise
                time.sleep(pause_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _once(self, ask: Callable[[], Any], what: str) -> Any:
        where = f"Vault at {self._vault.url}"
        try:
            answer: Any = ask()
        except requests.exceptions.SSLError:
            raise Refused(f"{where} has no certificate that we trust: set SUITE_VAULT__CA") from None
        except _PASSING as error:
            raise Away(f"{where} does not answer ({what}: {type(error).__name__})") from None
        except (exceptions.VaultError, OSError) as error:
            meaning = _MEANINGS.get(type(error), type(error).__name__)
            raise Refused(f"{where}, {what}: {meaning}") from None
        if isinstance(answer, dict):
            return cast("dict[str, Any]", answer)
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return {}
        raise Refused(f"{where}, {what}: no answer of Vault's (HTTP {answer.status_code})")


def _lease(name: str, answer: Mapping[str, Any]) -> Lease | None:
    if not answer.get("lease_id"):
        return None
    return Lease(name, answer["lease_id"], float(answer["lease_duration"]), bool(answer["renewable"]))


def _content(path: Any, variable: str) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"cannot read {path}: {variable} is a file with the token we sign in with") from None
