"""Settings of the Vault that `vault:PATH#KEY` in other settings refers to."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.core.errors import Misconfigured
from shared.core.loopback import is_loopback

__all__ = ["Vault", "require_whole"]

_POD_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class Vault(BaseModel):
    """Where secrets are kept, and how we sign in there: with a token, as an AppRole, or as a pod of Kubernetes; set
    one of them (docs/secrets.md). These settings come from the environment or from files, never from Vault.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str | None, Field(description="Scheme, host and port; https, except on this machine.")] = None
    ca: Annotated[Path | None, Field(description="PEM file of the authorities its certificate is from.")] = None
    namespace: Annotated[str | None, Field(description="Where there are several (Vault Enterprise).")] = None
    token: Annotated[SecretStr | None, Field(description="Signs in with this token.")] = None
    token_file: Annotated[Path | None, Field(description="Or with the token in this file, e.g. a sidecar's.")] = None
    role_id: Annotated[str | None, Field(description="Or as this AppRole, with `secret_id`.")] = None
    secret_id: Annotated[SecretStr | None, Field(description="Of the AppRole.")] = None
    secret_id_wrapped: Annotated[
        bool, Field(description="`secret_id` is a wrapping token: it gives the real one, once.")
    ] = False
    role: Annotated[str | None, Field(description="Or as this role of Kubernetes, with the pod's own token.")] = None
    jwt_file: Annotated[Path, Field(description="That token.")] = _POD_TOKEN
    auth_mount: Annotated[
        str | None, Field(description="Where that way to sign in is mounted; default `approle` or `kubernetes`.")
    ] = None
    start_s: Annotated[float, Field(gt=0, le=300, description="How long Vault may be away while a process starts.")] = (
        30
    )
    answer_s: Annotated[float, Field(gt=0, le=60, description="How long one answer may take.")] = 5


def require_whole(vault: Vault) -> None:
    """Refuse what signs in nobody, or in the clear.

    Raises:
        Misconfigured: Names the setting.
    """
    ways = {
        "token": vault.token,
        "token_file": vault.token_file,
        "role_id": vault.role_id,
        "role": vault.role,
    }
    chosen = [f"vault.{name}" for name, value in ways.items() if value]
    if vault.url is None:
        if vault.model_fields_set:
            raise Misconfigured("vault has settings, but no url: set SUITE_VAULT__URL")
        return
    _require_private(vault.url)
    if len(chosen) != 1:
        said = " and ".join(chosen) or "none is set"
        raise Misconfigured(
            "vault needs one way to sign in (SUITE_VAULT__TOKEN, __TOKEN_FILE, __ROLE_ID or __ROLE): " + said
        )
    if (vault.role_id is None) != (vault.secret_id is None):
        raise Misconfigured("vault.role_id and vault.secret_id go together")


def _require_private(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.path.strip("/"):
        raise Misconfigured("vault.url is scheme, host and port, like https://vault.example.com:8200")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise Misconfigured("vault.url is http, and not on this machine: every secret would go in the clear")
