"""What is set of the mail relay, and of how mails are handed to it."""

from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.core.errors import Misconfigured

__all__ = ["Delivery", "Smtp", "require_guarded"]


class Smtp(BaseModel):
    """The one relay that mails are handed to: `SUITE_SMTP__HOST=smtp.example.com` and so on
    (docs/connect-your-smtp.md). Without a host mails are kept and wait.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str | None, Field(description="The relay's name, which its certificate must have.")] = None
    port: Annotated[int | None, Field(ge=1, le=65535, description="Default: 587, with `tls` 465, with `none` 25.")] = (
        None
    )
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Field(
            description="`starttls`: encrypted before anything is said, or not at all (RFC 3207); `tls` from the first "
            "byte (RFC 8314); `none`: refused but for a relay on this machine."
        ),
    ] = "starttls"
    unencrypted: Annotated[
        bool, Field(description="Yes, hand mails over a network without encryption; `security=none` needs it there.")
    ] = False
    ca_file: Annotated[
        str | None, Field(description="PEM file of the authorities the relay's certificate is from.")
    ] = None
    username: Annotated[str | None, Field(description="Signs in with it, where one is set.")] = None
    password: Annotated[SecretStr | None, Field(description="Of the username.")] = None
    ehlo: Annotated[str | None, Field(description="What we call ourselves; default: this machine's full name.")] = None
    connect_s: Annotated[
        float, Field(gt=0, le=300, description="How long it may take until the relay is ready for mails.")
    ] = 15
    answer_s: Annotated[float, Field(gt=0, le=600, description="How long an answer to a command may take.")] = 60
    accept_s: Annotated[
        float,
        Field(
            gt=0,
            le=900,
            description="How long the relay may take to accept a whole mail. RFC 5321 gives it 600: whoever gives up "
            "sooner sends more of them twice.",
        ),
    ] = 600
    connections: Annotated[int, Field(ge=1, le=50, description="Connections of one process at a time.")] = 4
    mails_per_connection: Annotated[int, Field(ge=1, le=10_000, description="Then a new one is made.")] = 100
    connection_age_s: Annotated[float, Field(gt=0, le=3600, description="An older one is not used again.")] = 300
    idle_s: Annotated[
        float, Field(ge=0, le=300, description="One that did nothing for so long is asked whether it still is there.")
    ] = 5
    pipelining: Annotated[
        bool, Field(description="Sender, recipients and DATA in one write, where offered (RFC 2920).")
    ] = True

    @property
    def reached_at(self) -> int:
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]


class Delivery(BaseModel):
    """How mails are handed to the relay: `SUITE_MAIL__LIFETIME_H=48` and so on (docs/connect-your-smtp.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lifetime_h: Annotated[
        float, Field(gt=0, le=240, description="A mail that the relay did not take for so long is given up.")
    ] = 48
    retry_s: Annotated[
        float, Field(gt=0, le=3600, description="After a first temporary refusal; twice as long after each.")
    ] = 60
    retry_most_s: Annotated[float, Field(gt=0, le=86_400, description="The longest of these waits.")] = 3600
    unknown: Annotated[
        Literal["repeat", "hold"],
        Field(
            description="When nobody knows whether the relay took a mail: `repeat` it with the same Message-ID, or "
            "`hold` it until somebody decides (`mcp-suite mail requeue`)."
        ),
    ] = "repeat"
    kept_days: Annotated[
        int,
        Field(
            ge=1,
            le=3650,
            description="So many days after a mail ended, what it said and to whom is removed; that there was one, "
            "by whom, and what became of it stays.",
        ),
    ] = 90
    per_minute: Annotated[int | None, Field(ge=1, description="Mails a minute, over all replicas. No limit.")] = None
    per_minute_of_domain: Annotated[
        int | None, Field(ge=1, description="Mails a minute to one recipient's domain, over all replicas. No limit.")
    ] = None
    lease_s: Annotated[
        float,
        Field(ge=1, le=600, description="How long a mail waits for a worker that died before another goes on with it."),
    ] = 30
    poll_s: Annotated[float, Field(gt=0, le=60, description="How often an idle process looks for mails.")] = 0.5
    breaker_failures: Annotated[
        int, Field(ge=1, le=1000, description="So many failures of the relay within a minute, and it is left alone.")
    ] = 5
    breaker_open_s: Annotated[float, Field(gt=0, le=600, description="For so long; then one connection tries it.")] = 15


def require_guarded(smtp: Smtp) -> None:
    """Refuse a relay that would be reached in the clear, or be told a password that way.

    Raises:
        Misconfigured: Names the setting.
    """
    if smtp.security == "none" and smtp.host and not _on_this_machine(smtp.host) and not smtp.unencrypted:
        raise Misconfigured(
            f"smtp.security is none, and {smtp.host} is not this machine: anybody between could read the mails. "
            "Use starttls or tls (SUITE_SMTP__SECURITY), or say SUITE_SMTP__UNENCRYPTED=true"
        )
    if smtp.security == "none" and smtp.username and smtp.host and not _on_this_machine(smtp.host):
        raise Misconfigured("smtp.username is set, and smtp.security is none: the password would go in the clear")
    if (smtp.username is None) != (smtp.password is None):
        raise Misconfigured("smtp.username and smtp.password go together")
    if smtp.host is None and smtp.model_fields_set - {"host"}:
        raise Misconfigured("smtp has settings, but no host: set SUITE_SMTP__HOST")


def _on_this_machine(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
