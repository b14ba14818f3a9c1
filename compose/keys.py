"""`python -m compose.keys`: passwords and key rings for `compose/.env`, fresh each time, on stdout."""

import base64
import os
import sys
from collections.abc import Iterator
from secrets import token_urlsafe

from shared.core.settings import Settings

PASSWORDS = (
    "POSTGRES_PASSWORD",
    "OWNER_PASSWORD",
    "APP_PASSWORD",
    "READER_PASSWORD",
    "OPERATOR_PASSWORD",
    "CONSOLE_PASSWORD",
    "REDIS_PASSWORD",
    "MAIL_CLIENT_SECRET",
)
_KEY_BYTES = 32


def lines() -> Iterator[str]:
    """One variable a line: every password, and one key for every ring there is."""
    yield from (f"{name}={token_urlsafe(24)}" for name in PASSWORDS)
    for name in sorted(Settings.model_fields):
        if name.endswith("_keys"):
            yield f"{name.upper()}={base64.b64encode(os.urandom(_KEY_BYTES)).decode()}"


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in lines()))
