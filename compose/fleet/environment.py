"""What the processes of a fleet are told. All replicas of all servers get the same, but for port and folder."""

import base64
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import certifi
import orjson

from compose.fleet.plan import Plan
from shared.core.settings import Settings
from shared.state.private import keep_private
from shared.state.processes import clean_environment
from shared.state.roles import Urls

_ROOT = Path(__file__).parents[2]
_KEY_BYTES = 32
_ISSUER = "SUITE_ISSUERS__FLEET__"
_CONNECTIONS = 80
"""Of the 97 that an embedded PostgreSQL gives to those who are no superuser; people look on, too."""
_BESIDE_THE_POOL = 3
_DRAIN_S = 10
_NOTICE_S = 1
"""The balancer looks twice a second, and takes two bad answers for a no."""


def shared_settings(plan: Plan, urls: Urls, redis_url: str) -> dict[str, str]:
    """The settings that all replicas share, as variables."""
    processes = len(plan.programs) * plan.replicas
    pool = max(2, min(10, _CONNECTIONS // processes - _BESIDE_THE_POOL))
    values: dict[str, object] = {
        **{"profile": "fleet", "public_url": plan.base_url, "shared_url": True, "host": "127.0.0.1"},
        **{"trusted_proxies": "127.0.0.1"},
        **{"database_url": urls.app, "redis_url": redis_url, **_rings(plan.folder)},
        **{"replicas": processes, "pool_min": 2, "pool_max": pool},
        **{"drain_notice_s": _NOTICE_S, "drain_s": _DRAIN_S, **plan.settings},
    }
    return {f"SUITE_{name.upper()}": str(value) for name, value in values.items()} | _issuer(plan)


def of_replica(
    shared: Mapping[str, str], port: int, folder: Path, own: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """One replica's: it shares no files with others, and `own` with those of its server alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {**_ours(), **shared, **own, "SUITE_PORT": str(port), "SUITE_DATA_DIR": str(folder)}


def of_server(plan: Plan, server: str, urls: Urls) -> dict[str, str]:
    """What the replicas of one server are told and no others: how it proves at the provider that it is that server, and
    of one that people use in a browser, how it decides and reads in their name.
    """
    _, secret = plan.provider().resource_server(plan.url(server))
    told = {f"{_ISSUER}CLIENTS__{server.upper()}__CLIENT_SECRET": secret}
    if plan.code is not None:
        told["PYTHONPATH"] = str(plan.code)
    return told | {"SUITE_DATABASE_CONSOLE_URL": urls.console} if server in plan.sites else told


def where_provider_listens(origin: str) -> dict[str, str]:
    """Its keys and tokens are asked for behind the balancer, which is trusted for what servers ask of each other."""
    return {f"{_ISSUER}JWKS_URL": f"{origin}/idp/jwks.json", f"{_ISSUER}TOKEN_URL": f"{origin}/idp/token"}


def _issuer(plan: Plan) -> dict[str, str]:
    """Whose tokens count, as what it knows each server, and whom to trust when one server asks another."""
    provider = plan.provider()
    ids = {name: provider.resource_server(plan.url(name))[0] for name in (one.server.name for one in plan.programs)}
    told = {f"{_ISSUER}CLIENTS__{name.upper()}__CLIENT_ID": client_id for name, client_id in ids.items()}
    return {f"{_ISSUER}URL": plan.issuer, **told, "SSL_CERT_FILE": str(plan.trusted)}


def keep_trust(plan: Plan) -> None:
    """One file, since there is one setting: the balancer's authority, beside those that are trusted anyway."""
    usual = Path(os.environ.get("SSL_CERT_FILE") or certifi.where())
    plan.trusted.write_text(f"{plan.authority.read_text()}\n{usual.read_text()}")


def for_commands(plan: Plan, urls: Urls, redis_url: str) -> dict[str, str]:
    """For `mcp-suite` at a prompt: what a replica is told, and the roles that migrate, read the audit, and switch."""
    folder = plan.folder / "commands"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = {"DATABASE_OWNER_URL": urls.owner, "DATABASE_READER_URL": urls.reader}
    told |= {"DATABASE_OPERATOR_URL": urls.operator, "DATA_DIR": str(folder)}
    return shared_settings(plan, urls, redis_url) | {f"SUITE_{name}": value for name, value in told.items()}


def of_provider(plan: Plan, port: int) -> dict[str, str]:
    """The mock identity provider's."""
    folder = plan.folder / "idp"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = {"ISSUER": plan.issuer, "RESOURCES": orjson.dumps(plan.resources).decode(), "KEYS_DIR": str(folder)}
    told |= {"PORT": str(port), "ENVIRONMENT": "dev", "CLIENTS": orjson.dumps(_clients(plan)).decode()}
    return _ours() | {f"IDP_{name}": value for name, value in told.items()}


def _clients(plan: Plan) -> list[list[str | None]]:
    """Web applications, as `python -m compose.idp` is told of them: public ones, with PKCE."""
    known_as = Settings.model_fields["console_client_id"].default
    sites = [program.server for program in plan.programs if program.server.name in plan.sites]
    return [[known_as, server.title, f"{plan.url(server.name)}/callback", None] for server in sites]


def command_of_provider() -> tuple[str, ...]:
    return (sys.executable, "-m", "compose.idp")


def _ours() -> dict[str, str]:
    """Our own environment, but for the one port that two replicas cannot both have."""
    inherited = {name: value for name, value in clean_environment().items() if name != "SUITE_METRICS_PORT"}
    return {**inherited, "PYTHONPATH": str(_ROOT)}


def _rings(folder: Path) -> dict[str, str]:
    """One key for every ring there is, kept."""
    kept = folder / "keys"
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = sorted(name for name in Settings.model_fields if name.endswith("_keys"))
    return {name: keep_private(kept / f"{name}.key", _new_key) for name in names}


def _new_key() -> str:
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()
