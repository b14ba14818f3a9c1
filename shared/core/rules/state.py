"""Where things are kept, and by whom they can be read."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from shared.core.rules.rule import Rule, in_production

if TYPE_CHECKING:
    from shared.core.settings import Settings

_NEEDED_BY_A_FLEET = (
    "public_url",
    "issuer",
    "database_url",
    "redis_url",
    "audit_keys",
    "ledger_keys",
    "cursor_keys",
    "session_keys",
    "state_keys",
)
_OTHER_ROLES = ("database_owner_url", "database_reader_url", "database_operator_url", "database_console_url")
_OWNERS = ("database_owner_url", "database_admin_url")
_FOR_COMMANDS = ("database_reader_url", "database_operator_url")
_LOST_AT_RESTART = tuple(map(Path, ("/tmp", "/var/tmp", "/dev/shm", "/run")))  # noqa: S108 - looked for, not used
_USUAL_CONNECTIONS = 500


def _missing(settings: "Settings") -> str | None:
    if settings.profile != "fleet":
        return None
    given = {"issuer"} if settings.issuers else set[str]()
    given |= {name for name in _NEEDED_BY_A_FLEET if getattr(settings, name)}
    missing = [f"SUITE_{name.upper()}" for name in _NEEDED_BY_A_FLEET if name not in given]
    return f"profile=fleet needs {', '.join(missing)}" if missing else None


def _each_its_own(settings: "Settings") -> str | None:
    if settings.replicas == 1 or settings.redis_url:
        return None
    return f"replicas is {settings.replicas}, and there is no redis_url: each would count and remember by itself"


def _embedded(settings: "Settings") -> str | None:
    if not in_production(settings) or settings.database_url:
        return None
    return f"environment is {settings.environment}, and there is no database_url: an embedded database would start"


def _laptop(settings: "Settings") -> str | None:
    if settings.profile == "fleet" or not in_production(settings):
        return None
    return (
        f"environment is {settings.environment}, and profile is laptop: it migrates by itself, and makes its own keys"
    )


def _pool(settings: "Settings") -> str | None:
    return "pool_min exceeds pool_max" if settings.pool_min > settings.pool_max else None


def _connections(settings: "Settings") -> str | None:
    most = settings.replicas * settings.pool_max
    if most <= _USUAL_CONNECTIONS or settings.database_pooler != "none":
        return None
    return f"replicas and pool_max allow {most} connections: few PostgreSQL servers do"


def _unread_pins(settings: "Settings") -> str | None:
    unread = settings.domain_tenant.keys() - settings.domain_url.keys()
    names = ", ".join(sorted(unread))
    return f"domain_tenant pins a tenant for {names}, which has no domain_url" if unread else None


def _one_role(settings: "Settings") -> str | None:
    if settings.profile != "fleet" or not (own := _role(settings.database_url)):
        return None
    same = [name for name in _OTHER_ROLES if _role(getattr(settings, name)) == own]
    return f"{', '.join(same)}: the role is that of database_url" if same else None


def _role(url: SecretStr | None) -> str | None:
    """Who signs in; without a name in it the whole URL tells one from another."""
    return urlsplit(url.get_secret_value()).username or url.get_secret_value() if url else None


def _owner(settings: "Settings") -> str | None:
    told = [name for name in _OWNERS if getattr(settings, name)] if in_production(settings) else []
    return f"{', '.join(told)} set for a process that serves: who takes it over owns every table" if told else None


def _others(settings: "Settings") -> str | None:
    told = [name for name in _FOR_COMMANDS if getattr(settings, name)] if in_production(settings) else []
    return f"{', '.join(told)} set for a process that serves, which does not need it" if told else None


def _spool(settings: "Settings") -> str | None:
    folder = settings.data_dir.absolute()
    if not in_production(settings) or not any(folder.is_relative_to(lost) for lost in _LOST_AT_RESTART):
        return None
    return f"data_dir is {folder}: what it keeps is lost at a restart, or shared with others"


def _local_reads(settings: "Settings") -> str | None:
    if not in_production(settings) or settings.redis_loss_reads != "local" or settings.replicas == 1:
        return None
    return f"redis_loss_reads is local: while Redis is away a caller has {settings.replicas} times its limits"


def _slow_drain(settings: "Settings") -> str | None:
    if settings.profile != "fleet" or settings.drain_s >= settings.deadline_s:
        return None
    return (
        f"drain_s is {settings.drain_s:g}, and deadline_s {settings.deadline_s:g}: calls are cut when a replica stops"
    )


RULES = (
    Rule(
        name="fleet-incomplete",
        when="a fleet lacks one of " + ", ".join(f"`{name}`" for name in _NEEDED_BY_A_FLEET),
        reason="Replicas would each have their own keys, state and truth.",
        remedy="Set what it names; keys and URLs best as files (docs/secrets.md).",
        settings=("profile", *_NEEDED_BY_A_FLEET, "issuers"),
        found=_missing,
        by_presence=True,
    ),
    Rule(
        name="in-process-state-with-replicas",
        when="`replicas` is more than 1, and there is no `redis_url`",
        reason="Sessions would be unknown elsewhere, limits multiplied, and stops not heard.",
        remedy="Set SUITE_REDIS_URL, or SUITE_REPLICAS=1.",
        settings=("replicas", "redis_url"),
        found=_each_its_own,
        by_presence=True,
    ),
    Rule(
        name="embedded-database-in-production",
        when="in stage or prod there is no `database_url`",
        reason="The audit would live and die with one container, without backup, under one role.",
        remedy="Set SUITE_DATABASE_URL to the application role's.",
        settings=("database_url", "environment"),
        found=_embedded,
        by_presence=True,
    ),
    Rule(
        name="laptop-in-production",
        when="in stage or prod `profile` is laptop",
        reason="A laptop's process owns its tables, makes keys that nobody backs up, and is alone.",
        remedy="Set SUITE_PROFILE=fleet, also for one process.",
        settings=("profile", "environment"),
        found=_laptop,
        warns=True,
    ),
    Rule(
        name="pool-exceeds-itself",
        when="`pool_min` is more than `pool_max`",
        reason="No pool can be opened.",
        remedy="Set SUITE_POOL_MIN to at most SUITE_POOL_MAX.",
        settings=("pool_min", "pool_max"),
        found=_pool,
    ),
    Rule(
        name="too-many-connections",
        when=f"`replicas` × `pool_max` is more than {_USUAL_CONNECTIONS}, without a pooler",
        reason="PostgreSQL refuses what is beyond max_connections, and slows down long before.",
        remedy="Lower SUITE_POOL_MAX, or put PgBouncer between (docs/managed-postgresql.md).",
        settings=("replicas", "pool_max", "database_pooler"),
        found=_connections,
        warns=True,
    ),
    Rule(
        name="tenant-pin-unread",
        when="`domain_tenant` names a server that has no `domain_url`",
        reason="The pin would quietly not count.",
        remedy="Set SUITE_DOMAIN_URL__SERVER as well, or take the pin away.",
        settings=("domain_tenant", "domain_url"),
        found=_unread_pins,
    ),
    Rule(
        name="roles-not-apart",
        when="in a fleet the owner's, reader's, operator's or console's URL has the application's role",
        reason="Row-level security and the append-only audit rest on these being different roles.",
        remedy="Give each its own role (docs/run-a-fleet.md).",
        settings=("profile", "database_url", *_OTHER_ROLES),
        found=_one_role,
    ),
    Rule(
        name="owner-url-in-server",
        when="in stage or prod a process that serves has `database_owner_url` or `database_admin_url`",
        reason="Who takes the process over could change tables, and the audit with them.",
        remedy="Give them to the jobs that run `mcp-suite db` alone.",
        settings=(*_OWNERS, "environment"),
        found=_owner,
        by_presence=True,
        serving=True,
    ),
    Rule(
        name="command-url-in-server",
        when="in stage or prod a process that serves has `database_reader_url` or `database_operator_url`",
        reason="It could read the whole audit, or switch off what it likes.",
        remedy="Give them to the commands that use them alone.",
        settings=(*_FOR_COMMANDS, "environment"),
        found=_others,
        by_presence=True,
        warns=True,
        serving=True,
    ),
    Rule(
        name="spool-in-temporary-folder",
        when="in stage or prod `data_dir` is under /tmp, /var/tmp, /dev/shm or /run",
        reason="Refusals kept while the audit store is away would be lost at a restart.",
        remedy="Set SUITE_DATA_DIR to a folder on a disk of its own, such as /data.",
        settings=("data_dir", "environment"),
        found=_spool,
    ),
    Rule(
        name="local-reads-with-replicas",
        when="in stage or prod `redis_loss_reads` is local, with several replicas",
        reason="Whoever can make Redis unreachable multiplies every limit on reads.",
        remedy="Leave SUITE_REDIS_LOSS_READS out, if refusing reads meanwhile is better.",
        settings=("redis_loss_reads", "replicas", "environment"),
        found=_local_reads,
        warns=True,
    ),
    Rule(
        name="drain-shorter-than-deadline",
        when="in a fleet `drain_s` is less than `deadline_s`",
        reason="Each roll-out cuts calls that had time left.",
        remedy="Set SUITE_DRAIN_S to at least SUITE_DEADLINE_S.",
        settings=("profile", "drain_s", "deadline_s"),
        found=_slow_drain,
        warns=True,
    ),
)
