"""Who is told that calls wait for approval."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.core.errors import Misconfigured
from shared.core.upstreams import problem_of_url
from shared.core.words import Secrets, Words

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)


class Notify(BaseModel):
    """Who in a tenant is told of calls that wait for approval: `SUITE_NOTIFY__ACME__MAIL_TO=…` and so on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mail_to: Annotated[
        Words, Field(description="Addresses of those who approve, through the relay of SUITE_SMTP.")
    ] = ()
    mail_from: Annotated[str | None, Field(description="Whom these mails are from; needed with mail_to.")] = None
    webhook_url: Annotated[
        str | None, Field(description="Is sent each of it, signed (Standard Webhooks); https, except on this machine.")
    ] = None
    webhook_secrets: Annotated[
        Secrets,
        Field(
            max_length=2,
            description="`whsec_` and base64 of 24 to 64 bytes; while one is replaced both, the new one first.",
        ),
    ] = ()
    webhook_inside: Annotated[
        bool, Field(description="Yes, the webhook's address is inside the house: private networks may be reached.")
    ] = False


def require_signed(notify: Mapping[str, Notify]) -> None:
    """Refuse what nobody could believe, or what would be sent to anybody.

    Raises:
        Misconfigured: Names the tenant and the setting.
    """
    for tenant, one in notify.items():
        if (problem := _problem(one)) is not None:
            raise Misconfigured(f"notify of {tenant}: {problem}")


def _problem(notify: Notify) -> str | None:
    return _problem_of_mail(notify) or _problem_of_webhook(notify)


def _problem_of_mail(notify: Notify) -> str | None:
    if notify.mail_to and notify.mail_from is None:
        return "mail_to needs a mail_from"
    addresses = (*notify.mail_to, *([notify.mail_from] if notify.mail_from else []))
    plain = all(one.isascii() and one.isprintable() and one.count("@") == 1 and " " not in one for one in addresses)
    return None if plain else "mail_to and mail_from are plain addresses, like ops@acme.example"


def _problem_of_webhook(notify: Notify) -> str | None:
    if notify.webhook_url is None:
        return None
    without_query = urlsplit(notify.webhook_url)._replace(query="").geturl()
    if (problem := problem_of_url(without_query)) is not None:
        return f"webhook_{problem}"
    if not notify.webhook_secrets:
        return "webhook_url needs webhook_secrets, or nobody could tell our messages from others'"
    try:
        for secret in notify.webhook_secrets:
            key_of(secret)
    except ValueError:
        return "webhook_secrets are `whsec_` and base64 of 24 to 64 bytes"
    return None


def key_of(secret: SecretStr) -> bytes:
    """The key in a secret as Standard Webhooks writes it.

    Raises:
        ValueError: It is none.
    """
    prefix, _, encoded = secret.get_secret_value().partition("_")
    try:
        key = b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None
    if f"{prefix}_" != _PREFIX or len(key) not in _KEY_BYTES:
        raise ValueError("no secret")
    return key
