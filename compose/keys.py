"""`python -m compose.keys`: what the containers of compose.yaml must be told in secret, one file each.

Passwords and keys are made once and kept, for the database remembers them. Certificates are made anew, all of them,
a month before they end; the authority's key is thrown away once it has signed.

The folder is yours alone (0700). The files in it can be read by anybody who gets there (0444): each is mounted by
itself into the containers that need it, whose users have other numbers than you.
"""

import base64
import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated

import typer

from compose.proxy.authority import Authority
from compose.proxy.certificate import good, replace
from shared.core.settings import Settings

FOLDER = Path(__file__).parent / "secrets"
ROLES = ("owner", "app", "reader", "operator", "console")
PASSWORDS = (
    "postgres_password",
    *(f"{role}_password" for role in ROLES),
    "redis_password",
    "redis_health_password",
    "mail_client_secret",
    "grafana_password",
)
SERVERS: Mapping[str, tuple[str, ...]] = {
    "balancer": ("localhost", "127.0.0.1", "balancer"),
    **{name: (name,) for name in ("customers", "documents", "tickets", "mail", "console", "postgres", "redis")},
}
"""Who has a certificate, and for which names; the balancer has one more, to show to the servers."""
CLIENT = "balancer_client"
TRUSTED = "authority.pem"

_MODE = 0o444
_KEY_BYTES = 32
_COMMANDS = "+@all -@admin -@dangerous +info"
"""What the suite may ask of Redis; +info is for health. Not: other users, configuration, every key at once."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def write(into: Annotated[Path, typer.Option(help="The folder; made if missing.")] = FOLDER) -> None:
    """Make what is missing."""
    keep(into)
    typer.echo(f"{into}: {len(list(into.iterdir()))} files; clients must trust {into / TRUSTED}")


def keep(folder: Path) -> None:
    """Make what is missing in the folder, and what was made of what is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    rings = {f"suite_{name}": _key for name in sorted(Settings.model_fields) if name.endswith("_keys")}
    for name, make in {**dict.fromkeys(PASSWORDS, _password), **rings}.items():
        if not (folder / name).exists():
            replace(folder / name, make().encode(), _MODE)
    told = {name: (folder / name).read_text() for name in PASSWORDS}
    for name, content in _made_of(told):
        replace(folder / name, content.encode(), _MODE)
    _keep_certificates(folder)


def _password() -> str:
    return token_urlsafe(24)


def _key() -> str:
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()


def _made_of(told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    names = {role: f"suite_database_{role}_url" for role in ROLES} | {"app": "suite_database_url"}
    for role, name in names.items():
        yield name, f"postgresql://suite_{role}:{told[f'{role}_password']}@postgres:5432/suite"
    yield "suite_redis_url", f"rediss://suite:{told['redis_password']}@redis:6379/0"
    suite, health = (sha256(told[name].encode()).hexdigest() for name in ("redis_password", "redis_health_password"))
    yield (
        "redis.acl",
        f"user default off\nuser suite on #{suite} ~suite:* &suite:* {_COMMANDS}\nuser health on #{health} +ping\n",
    )


def _keep_certificates(folder: Path) -> None:
    if all(good(folder / TRUSTED, folder / f"{name}.crt", names) for name, names in SERVERS.items()):
        return
    authority = Authority([name for names in SERVERS.values() for name in names])
    replace(folder / TRUSTED, authority.pem, _MODE)
    for name, names in SERVERS.items():
        certificate, key = authority.issue(names)
        replace(folder / f"{name}.crt", certificate, _MODE)
        replace(folder / f"{name}.key", key, _MODE)
    certificate, key = authority.issue(("balancer",), "client")
    replace(folder / f"{CLIENT}.pem", certificate + key, _MODE)
    replace(
        folder / "balancer.pem", b"".join((folder / f"balancer.{end}").read_bytes() for end in ("crt", "key")), _MODE
    )


if __name__ == "__main__":
    app()
