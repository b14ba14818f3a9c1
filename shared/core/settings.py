from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.core.approval_settings import ApprovalEscalate, ApprovalsKept, ApprovalsPerUser, ApprovalTtl, ConsoleUrl
from shared.core.caller import Acr
from shared.core.console_settings import (
    ConsoleAbsolute,
    ConsoleClientId,
    ConsoleClientSecret,
    ConsoleIdle,
    ConsoleIssuer,
)
from shared.core.issuers import Issuer, require_apart
from shared.core.job_settings import JobLease, JobsAtATime, JobsKept
from shared.core.keeping import EmbeddedSource, MetadataEntries, MetadataTtl
from shared.core.notify_settings import Notify, require_signed
from shared.core.peer_settings import PeerResources, PeerUrls, require_private
from shared.core.safety import require_safe
from shared.core.smtp_settings import Delivery, Smtp, require_guarded
from shared.core.upstreams import Upstream, require_reachable
from shared.core.words import Secrets, Words


class Settings(BaseSettings):
    """Everything that can be set, read once from the environment (`SUITE_` + the name in capitals).

    Defaults are those of a laptop: embedded services, in-process state, loopback only, every protection on.
    `profile=fleet` refuses to start on what only a laptop may do.
    """

    model_config = SettingsConfigDict(
        env_prefix="SUITE_", env_nested_delimiter="__", frozen=True, extra="ignore", populate_by_name=True
    )

    profile: Annotated[
        Literal["laptop", "fleet"], Field(description="`fleet` refuses to start on what only a laptop may do.")
    ] = "laptop"
    environment: Annotated[Literal["dev", "stage", "prod"], Field(description="For policy.")] = "dev"
    data_dir: Annotated[Path, Field(description="Keys, embedded database, audit spool. Mode 0700.")] = (
        Path.home() / ".local" / "share" / "mcp-suite"
    )

    # Where we listen, and the name clients know us by
    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on.")] = 8080
    public_url: Annotated[str | None, Field(description="Scheme and host clients use; default http://HOST:PORT.")] = (
        None
    )
    shared_url: Annotated[
        bool, Field(description="Other servers share public_url: `serve` answers at /{server}/mcp instead of /mcp.")
    ] = False
    show_replica: Annotated[
        str | None,
        Field(
            pattern=r"^[\w.-]{1,64}$",
            description="What this process calls itself in the `Suite-Replica` header of its answers, for drills; "
            "without it there is no such header.",
        ),
    ] = None
    allowed_hosts: Annotated[Words, Field(description="Host headers accepted besides that of public_url.")] = ()
    allowed_origins: Annotated[Words, Field(description="Browser origins accepted (CORS). None by default.")] = ()
    trusted_proxies: Annotated[
        Words,
        Field(description="Addresses and networks of balancers whose X-Forwarded-For is believed. None by default."),
    ] = ()
    body_limit_bytes: Annotated[
        int, Field(ge=1024, le=16 * 2**20, description="Largest request body, and line over stdio.")
    ] = 2**20
    drain_notice_s: Annotated[
        float | None,
        Field(
            ge=0,
            le=300,
            description="Seconds that we go on serving after SIGTERM while `/readyz` says that we stop; "
            "default 0, with profile=fleet 5.",
        ),
    ] = None
    drain_s: Annotated[float, Field(ge=0, description="Seconds calls in flight get after that.")] = 20

    # What one process takes on at a time; what is beyond is refused at once, to be retried
    max_in_flight: Annotated[int, Field(ge=1, description="Requests that are answered at a time.")] = 200
    max_waiting: Annotated[int, Field(ge=0, description="Requests that may wait for their turn.")] = 100
    max_wait_s: Annotated[
        float, Field(gt=0, le=60, description="How long one waits at most; a tenth of it while the queue stands.")
    ] = 1
    max_streams: Annotated[
        int, Field(ge=1, description="Streams that may be open; calls that wait for a user count as such.")
    ] = 1000
    body_timeout_s: Annotated[
        float, Field(gt=0, le=300, description="How long a request's headers may take to come, and again its body.")
    ] = 10

    # Who may call
    issuer: Annotated[str | None, Field(description="Issuer of access tokens; default: the mock provider.")] = None
    jwks_url: Annotated[str | None, Field(description="Default: from the issuer's metadata (RFC 8414).")] = None
    token_algorithms: Annotated[Words, Field(description="Accepted signature algorithms; asymmetric only.")] = (
        "ES256",
        "EdDSA",
        "Ed25519",
        "RS256",
        "PS256",
    )
    token_max_lifetime_s: Annotated[int, Field(ge=60, le=86_400, description="exp - iat beyond this is refused.")] = (
        3600
    )
    clock_skew_s: Annotated[int, Field(ge=0, le=300, description="How far clocks may differ.")] = 30
    tenant_claim: Annotated[str, Field(description="Claim of the token that names the tenant.")] = "tenant"
    issuers: Annotated[dict[str, Issuer], Field(description="Several issuers, or more to say of one (below).")] = {}

    # The caller over stdio, where the operating system's login is the authentication
    stdio_subject: Annotated[str, Field(description="Who calls over stdio.")] = "local-user"
    stdio_tenant: Annotated[str, Field(description="Whose data the caller over stdio may touch.")] = "acme"
    stdio_roles: Annotated[Words, Field(description="The roles of the caller over stdio, for policy.")] = ("admin",)
    stdio_acr: Annotated[
        Acr, Field(description="How strongly the operating system lets people sign in, for tools that ask for it.")
    ] = "aal2"
    stdio_scopes: Annotated[
        Words, Field(description="What the caller over stdio may do; `*:` is whichever server is served.")
    ] = ("*:write", "*:pii")

    # What a caller may use up
    calls_per_minute: Annotated[int, Field(ge=1, description="Per caller, over all tools.")] = 60
    tool_calls_per_minute: Annotated[int, Field(ge=1, description="Per caller and tool.")] = 60
    burst: Annotated[int, Field(ge=1, description="Calls of one caller that may come at once.")] = 20
    client_calls_per_minute: Annotated[int, Field(ge=1, description="Per tenant and client; a tenth at once.")] = 3000
    tenant_calls_per_minute: Annotated[int, Field(ge=1, description="Per tenant; a tenth at once.")] = 6000
    resource_calls_per_minute: Annotated[
        int, Field(ge=1, description="Per tenant and what tools use downstream, e.g. a mail relay; a tenth at once.")
    ] = 600
    resource_calls_per_minute_of: Annotated[
        dict[str, Annotated[int, Field(ge=1)]],
        Field(description="`SUITE_RESOURCE_CALLS_PER_MINUTE_OF__MAIL_RELAY`: instead, for one of these."),
    ] = {}
    concurrent_calls: Annotated[int, Field(ge=1, description="Calls of one caller in progress at a time.")] = 20
    tenant_concurrent_calls: Annotated[int, Field(ge=1, description="The same, of one tenant.")] = 100
    session_steps: Annotated[
        int, Field(ge=1, description="Requests in one login (the token's `sid`, else all of the caller's) and window.")
    ] = 1000
    session_cost_usd: Annotated[float, Field(ge=0, le=1e6, description="What they may cost, as tools declare it.")] = 10
    session_window_s: Annotated[int, Field(ge=1, le=86_400, description="It begins with its first request.")] = 3600
    same_calls_per_minute: Annotated[
        int, Field(ge=1, description="Per caller, with the same arguments; more are taken for a loop.")
    ] = 10
    shed_percent: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="Of a budget, the tenant's rate or places: beyond it calls that can wait are refused.",
        ),
    ] = 80
    redis_loss_reads: Annotated[
        Literal["refuse", "local"],
        Field(description="Reads while Redis is away: refused like writes, or counted in each process by itself."),
    ] = "refuse"
    streams_per_user: Annotated[
        int, Field(ge=1, le=1000, description="Streams one user may hold open at one process, to hear of changes.")
    ] = 10
    subscriptions_per_stream: Annotated[
        int, Field(ge=1, le=1000, description="Resources that one stream, or one session, may be subscribed to.")
    ] = 100
    deadline_s: Annotated[float, Field(gt=0, le=300, description="A tool's time, unless it declares its own.")] = 15
    ledger_ttl_s: Annotated[int, Field(ge=60, description="How long an idempotency key is kept.")] = 86_400
    ledger_wait_s: Annotated[float, Field(gt=0, le=30, description="How long a concurrent twin waits.")] = 2
    policy_dir: Annotated[
        Path | None,
        Field(description="A company's own policies: instead of ours, or more of them (docs/policy.md)."),
    ] = None
    read_only: Annotated[bool, Field(description="Nothing can be changed: writes are hidden and refused.")] = False
    flow_window_s: Annotated[
        int, Field(ge=60, le=86_400, description="How long a caller's answers count for what it may do next.")
    ] = 1800

    # Sessions of the 2025 era
    session_ttl_s: Annotated[int, Field(ge=1, le=86_400, description="A session nobody uses ends after this.")] = 3600
    session_max_age_s: Annotated[int, Field(ge=60, description="A session ends after this, however it is used.")] = (
        86_400
    )
    stream_ttl_s: Annotated[
        int, Field(ge=1, le=3600, description="How long a client may take to come back to a broken stream.")
    ] = 300
    sessions_per_user: Annotated[int, Field(ge=1, le=1000, description="Sessions one user may have open.")] = 10
    sessions_full: Annotated[
        Literal["end_oldest", "refuse"], Field(description="What happens when a user opens one more.")
    ] = "end_oldest"
    ask_timeout_s: Annotated[
        float, Field(gt=0, le=3600, description="How long a call waits for its user's answer (2025 era, stdio).")
    ] = 300

    # Where things are kept
    database_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias=AliasChoices("SUITE_DATABASE_URL", "DATABASE_URL"),
            description="The application role's; without it an embedded PostgreSQL is started.",
        ),
    ] = None
    database_owner_url: Annotated[
        SecretStr | None, Field(description="Owner of the tables; used by migrations alone.")
    ] = None
    database_reader_url: Annotated[
        SecretStr | None, Field(description="May read the audit; used by `mcp-suite audit` alone.")
    ] = None
    database_operator_url: Annotated[
        SecretStr | None,
        Field(description="May switch tools, clients and users off; used by `mcp-suite stop` and `resume` alone."),
    ] = None
    database_console_url: Annotated[
        SecretStr | None,
        Field(description="Decides what was asked for, besides what the two above may; used by the console alone."),
    ] = None
    switch_poll_s: Annotated[
        float,
        Field(gt=0, le=5, description="How often each process looks for what was switched off; Redis tells sooner."),
    ] = 0.5
    domain_url: Annotated[
        dict[str, SecretStr],
        Field(
            description="`SUITE_DOMAIN_URL__CUSTOMERS`: the customers server reads your own database, as a role that "
            "can only read (docs/connect-your-database.md)."
        ),
    ] = {}
    domain_tenant: Annotated[
        dict[str, str],
        Field(description="`SUITE_DOMAIN_TENANT__CUSTOMERS`: the one tenant that all rows of that database are of."),
    ] = {}
    upstreams: Annotated[
        dict[str, Upstream], Field(description="Other people's systems that servers work over (below).")
    ] = {}
    peers: PeerUrls = {}
    peer_resources: PeerResources = {}
    replicas: Annotated[
        int, Field(ge=1, le=1000, description="Processes like this one; with pool_max, what PostgreSQL must allow.")
    ] = 1
    pool_min: Annotated[int, Field(ge=1, le=50, description="Database connections kept open.")] = 10
    pool_max: Annotated[int, Field(ge=1, le=50, description="Database connections at most.")] = 20
    pool_acquire_s: Annotated[float, Field(gt=0, le=60, description="How long a call waits for a connection.")] = 10
    statement_timeout_s: Annotated[float, Field(gt=0, le=30, description="A statement's time.")] = 10
    redis_url: Annotated[
        SecretStr | None,
        Field(
            validation_alias=AliasChoices("SUITE_REDIS_URL", "REDIS_URL"),
            description="Where sessions are kept and limits counted; without it in the process.",
        ),
    ] = None
    redis_timeout_s: Annotated[float, Field(gt=0, le=30, description="How long Redis may take to answer.")] = 2
    metadata_ttl_s: MetadataTtl = 300
    metadata_entries: MetadataEntries = 1000
    embedded_source: EmbeddedSource = "auto"

    # Long-running work
    job_lease_s: JobLease = 10
    jobs_kept_h: JobsKept = 24
    jobs_at_a_time: JobsAtATime = 2

    # Mail
    smtp: Annotated[Smtp, Field(description="The relay that mails are handed to (below).")] = Smtp()
    mail: Annotated[Delivery, Field(description="How they are handed to it (below).")] = Delivery()

    # Approvals
    approval_ttl_s: ApprovalTtl = 86_400
    approval_escalate_s: ApprovalEscalate = 3600
    approvals_per_user: ApprovalsPerUser = 20
    approvals_kept_days: ApprovalsKept = 90
    console_url: ConsoleUrl = None
    notify: Annotated[
        dict[str, Notify], Field(description="By tenant, who is told that calls wait for approval (below).")
    ] = {}

    # Web sessions of the console
    console_issuer: ConsoleIssuer = None
    console_client_id: ConsoleClientId = "console"
    console_client_secret: ConsoleClientSecret = None
    console_idle_s: ConsoleIdle = 1800
    console_absolute_s: ConsoleAbsolute = 28_800

    # Key rings, the sealing key first; base64 of 32 bytes each. A laptop makes its own in data_dir/keys.
    audit_keys: Annotated[Secrets, Field(description="Sign the audit chain.")] = ()
    ledger_keys: Annotated[Secrets, Field(description="Seal stored answers.")] = ()
    cursor_keys: Annotated[Secrets, Field(description="Seal page positions.")] = ()
    session_keys: Annotated[Secrets, Field(description="Seal sessions and streams.")] = ()
    state_keys: Annotated[Secrets, Field(description="Seal request state.")] = ()

    audit_batch: Annotated[int, Field(ge=1, le=1000, description="Records per commit at most.")] = 200
    audit_spool_bytes: Annotated[
        int, Field(ge=2**20, description="Refusals kept on disk while the audit store is away.")
    ] = 64 * 2**20
    otlp_endpoint: Annotated[
        str | None,
        Field(description="http(s)://HOST:PORT of an OpenTelemetry collector (OTLP/HTTP); without it nothing is sent."),
    ] = None
    trace_ratio: Annotated[
        float, Field(ge=0, le=1, description="Share of requests whose spans are sent, where there is a collector.")
    ] = 0.1
    metrics_port: Annotated[
        int | None, Field(ge=0, le=65535, description="Port of `/metrics` for Prometheus; without it there is none.")
    ] = None
    metrics_host: Annotated[str, Field(description="Address `/metrics` listens on; never a public one.")] = "127.0.0.1"
    slow_call_s: Annotated[float, Field(gt=0, description="Calls that took longer are logged as warnings.")] = 1.0
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Of the logs on stderr.")] = (
        "INFO"
    )

    @model_validator(mode="after")
    def _safe(self) -> "Settings":
        require_apart(self.issuers)
        require_reachable(self.upstreams)
        require_private(self.peers)
        require_signed(self.notify)
        require_guarded(self.smtp)
        require_safe(self)
        return self

    @cached_property
    def base_url(self) -> str:
        """Scheme and authority clients use, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @cached_property
    def console_base_url(self) -> str:
        """Where people reach the console, without a trailing slash."""
        return (self.console_url or f"{self.base_url}/console").rstrip("/")

    @cached_property
    def notice_s(self) -> float:
        """`drain_notice_s`, or the profile's own: nobody balances over a laptop."""
        return self.drain_notice_s if self.drain_notice_s is not None else 5.0 * (self.profile == "fleet")

    @property
    def trusted_issuers(self) -> tuple[Issuer, ...]:
        """Whose tokens are accepted: `issuers`, or the one of `issuer`, `jwks_url` and `tenant_claim`."""
        url = self.issuer or f"{self.base_url}/idp"
        one = Issuer(url=url, jwks_url=self.jwks_url, tenant_claim=self.tenant_claim)
        return tuple(self.issuers.values()) or (one,)

    def trusting(self, issuers: dict[str, Issuer]) -> "Settings":
        """The same, with these issuers in place of its own."""
        return self.model_copy(update={"issuers": issuers})

    @cached_property
    def token_issuer(self) -> str:
        """The issuer of tokens, byte for byte; of several the first."""
        return self.trusted_issuers[0].url

    @cached_property
    def mock_issuer(self) -> str | None:
        """The issuer that the mock provider is, where it is trusted and this process is to play it."""
        own = f"{self.base_url}/idp"
        trusted = self.issuer is None and any(issuer.url == own for issuer in self.trusted_issuers)
        return own if trusted and self.profile == "laptop" else None

    @cached_property
    def plain_http(self) -> bool:
        """Whether providers on other machines may be asked without TLS."""
        return self.profile == "laptop" and self.environment == "dev"
