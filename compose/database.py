"""`python -m compose.database`: roles, tables and demo data in an empty PostgreSQL; may be repeated.

ADMIN_URL          of an administrator
OWNER_PASSWORD, APP_PASSWORD, READER_PASSWORD, OPERATOR_PASSWORD, CONSOLE_PASSWORD    what the roles get
"""

import asyncio
import os
import time

import structlog

import servers
from shared.core.errors import Misconfigured
from shared.state.roles import Passwords, ensure_roles
from shared.state.services import migrate

_PATIENCE_S = 60.0
_AGAIN_S = 1.0

log = structlog.get_logger("database")


async def prepare(admin_url: str, passwords: Passwords) -> None:
    """Make what is missing.

    Raises:
        Misconfigured: Something of the name is there and is not ours; says what to run.
        OSError: Nobody answers for a minute.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            urls = await ensure_roles(admin_url, passwords)
            break
        except OSError:  # composes differ in whether they wait for a healthy database
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_AGAIN_S)
    await migrate(urls.owner, {server.name: server.migrations for server in servers.every() if server.migrations})
    await servers.seed(urls.owner)
    log.info("the database is ready")


def main() -> None:
    roles = ("OWNER", "APP", "READER", "OPERATOR", "CONSOLE")
    names = ("ADMIN_URL", *(f"{role}_PASSWORD" for role in roles))
    if missing := [name for name in names if not os.environ.get(name)]:
        raise Misconfigured(f"set {', '.join(missing)}")
    admin_url, *passwords = (os.environ[name] for name in names)
    asyncio.run(prepare(admin_url, Passwords(*passwords)))


if __name__ == "__main__":
    main()
