"""`python -m compose.database`: roles, tables and demo data in an empty PostgreSQL; may be repeated.

ADMIN_URL          of an administrator, without a password
POSTGRES_PASSWORD  the administrator's
OWNER_PASSWORD, APP_PASSWORD, READER_PASSWORD, OPERATOR_PASSWORD, CONSOLE_PASSWORD    what the roles get

Each may be a file of /run/secrets instead. PostgreSQL's own variables, such as PGSSLROOTCERT, are heeded.
"""

import asyncio
import time
from urllib.parse import quote, urlsplit

import asyncpg
import structlog

import servers
from compose.told import told
from shared.state.roles import Passwords, ensure_roles
from shared.state.services import migrate

_PATIENCE_S = 60.0
_AGAIN_S = 1.0
_NOT_YET = (OSError, asyncpg.CannotConnectNowError)

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
        except _NOT_YET as error:  # composes differ in whether they wait for a healthy database
            if time.monotonic() > deadline:
                raise
            log.warning("PostgreSQL is not there yet, asking again", why=type(error).__name__, again_in_s=_AGAIN_S)
            await asyncio.sleep(_AGAIN_S)
    await migrate(urls.owner, servers.revisions())
    await servers.seed(urls.owner)
    log.info("the database is ready")


def main() -> None:
    passwords = Passwords(*(told(f"{role}_PASSWORD") for role in ("OWNER", "APP", "READER", "OPERATOR", "CONSOLE")))
    parts = urlsplit(told("ADMIN_URL"))
    user, _, host = parts.netloc.rpartition("@")
    named = f"{user or 'postgres'}:{quote(told('POSTGRES_PASSWORD'), safe='')}@{host}"
    asyncio.run(prepare(parts._replace(netloc=named).geturl(), passwords))


if __name__ == "__main__":
    main()
