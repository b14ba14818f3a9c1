from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.core import approval_settings as approvals
from shared.core import console_settings as console
from shared.core import job_settings as jobs
from shared.core import keeping
from shared.core import key_settings as keys
from shared.core import limit_settings as limits
from shared.core import listen_settings as listen
from shared.core import place_settings as place
from shared.core import pressure_settings as pressure
from shared.core import rule_settings as rules
from shared.core import session_settings as sessions
from shared.core import stdio_settings as stdio
from shared.core import store_settings as stores
from shared.core import telemetry_settings as telemetry
from shared.core import tls_settings as lines
from shared.core import token_settings as tokens
from shared.core.issuers import Issuer
from shared.core.notify_settings import Notify
from shared.core.peer_settings import PeerResources, PeerUrls
from shared.core.safety import require_safe
from shared.core.smtp_settings import Delivery, Smtp
from shared.core.tls_settings import Tls
from shared.core.upstreams import Upstream
from shared.core.vault_settings import Vault


class Settings(BaseSettings):
    """Everything that can be set, read once from the environment (`SUITE_` + the name in capitals).

    Defaults are those of a laptop: embedded services, in-process state, loopback only, every protection on.
    `profile=fleet` refuses to start on what only a laptop may do.
    """

    model_config = SettingsConfigDict(
        env_prefix="SUITE_", env_nested_delimiter="__", frozen=True, extra="ignore", populate_by_name=True
    )

    profile: place.Profile = "laptop"
    environment: place.Environment = "dev"
    data_dir: place.DataDir = place.home() / ".local" / "share" / "mcp-suite"
    secrets_dir: place.SecretsDir = Path("/run/secrets")
    vault: Annotated[Vault, Field(description="Where `vault:PATH#KEY` is looked up (below).")] = Vault()

    # Where we listen, and the name clients know us by
    host: listen.Host = "127.0.0.1"
    port: listen.Port = 8080
    public_url: listen.PublicUrl = None
    shared_url: listen.SharedUrl = False
    show_replica: listen.ShowReplica = None
    allowed_hosts: listen.AllowedHosts = ()
    allowed_origins: listen.AllowedOrigins = ()
    trusted_proxies: listen.TrustedProxies = ()
    body_limit_bytes: listen.BodyLimitBytes = 2**20
    drain_notice_s: listen.DrainNotice = None
    drain_s: listen.Drain = 20
    tls: Annotated[Tls, Field(description="How we are reached over HTTPS (below).")] = Tls()
    health_port: lines.HealthPort = None
    health_host: lines.HealthHost = "127.0.0.1"

    # What one process takes on at a time; what is beyond is refused at once, to be retried
    max_in_flight: pressure.MaxInFlight = 200
    max_waiting: pressure.MaxWaiting = 100
    max_wait_s: pressure.MaxWait = 1
    max_streams: pressure.MaxStreams = 1000
    body_timeout_s: pressure.BodyTimeout = 10

    # Who may call
    issuer: tokens.IssuerUrl = None
    jwks_url: tokens.JwksUrl = None
    token_algorithms: tokens.TokenAlgorithms = ("ES256", "EdDSA", "Ed25519", "RS256", "PS256")
    token_max_lifetime_s: tokens.TokenMaxLifetime = 3600
    clock_skew_s: tokens.ClockSkew = 30
    tenant_claim: tokens.TenantClaim = "tenant"
    issuers: tokens.Issuers = {}

    # The caller over stdio, where the operating system's login is the authentication
    stdio_subject: stdio.StdioSubject = "local-user"
    stdio_tenant: stdio.StdioTenant = "acme"
    stdio_roles: stdio.StdioRoles = ("admin",)
    stdio_acr: stdio.StdioAcr = "aal2"
    stdio_scopes: stdio.StdioScopes = ("*:write", "*:pii")

    # What a caller may use up
    calls_per_minute: limits.CallsPerMinute = 60
    tool_calls_per_minute: limits.ToolCallsPerMinute = 60
    burst: limits.Burst = 20
    client_calls_per_minute: limits.ClientCallsPerMinute = 3000
    tenant_calls_per_minute: limits.TenantCallsPerMinute = 6000
    resource_calls_per_minute: limits.ResourceCallsPerMinute = 600
    resource_calls_per_minute_of: limits.ResourceCallsPerMinuteOf = {}
    concurrent_calls: limits.ConcurrentCalls = 20
    tenant_concurrent_calls: limits.TenantConcurrentCalls = 100
    session_steps: limits.SessionSteps = 1000
    session_cost_usd: limits.SessionCostUsd = 10
    session_window_s: limits.SessionWindow = 3600
    same_calls_per_minute: limits.SameCallsPerMinute = 10
    shed_percent: limits.ShedPercent = 80
    redis_loss_reads: limits.RedisLossReads = "refuse"
    streams_per_user: limits.StreamsPerUser = 10
    subscriptions_per_stream: limits.SubscriptionsPerStream = 100
    deadline_s: limits.Deadline = 15
    ledger_ttl_s: limits.LedgerTtl = 86_400
    ledger_wait_s: limits.LedgerWait = 2
    policy_dir: rules.PolicyDir = None
    read_only: rules.ReadOnly = False
    flow_window_s: rules.FlowWindow = 1800

    # Sessions of the 2025 era
    session_ttl_s: sessions.SessionTtl = 3600
    session_max_age_s: sessions.SessionMaxAge = 86_400
    stream_ttl_s: sessions.StreamTtl = 300
    sessions_per_user: sessions.SessionsPerUser = 10
    sessions_full: sessions.SessionsFull = "end_oldest"
    ask_timeout_s: sessions.AskTimeout = 300

    # Where things are kept
    database_url: stores.DatabaseUrl = None
    database_owner_url: stores.DatabaseOwnerUrl = None
    database_reader_url: stores.DatabaseReaderUrl = None
    database_operator_url: stores.DatabaseOperatorUrl = None
    database_console_url: stores.DatabaseConsoleUrl = None
    database_admin_url: stores.DatabaseAdminUrl = None
    database_session_url: lines.DatabaseSessionUrl = None
    database_pooler: lines.DatabasePooler = "none"
    database_ca: lines.DatabaseCa = None
    database_certificate: lines.DatabaseCertificate = None
    database_key: lines.DatabaseKey = None
    database_unencrypted: lines.DatabaseUnencrypted = False
    switch_poll_s: stores.SwitchPoll = 0.5
    domain_url: stores.DomainUrl = {}
    domain_tenant: stores.DomainTenant = {}
    upstreams: Annotated[
        dict[str, Upstream], Field(description="Other people's systems that servers work over (below).")
    ] = {}
    peers: PeerUrls = {}
    peer_resources: PeerResources = {}
    start_wait_s: stores.StartWait = None
    replicas: stores.Replicas = 1
    pool_min: stores.PoolMin = 10
    pool_max: stores.PoolMax = 20
    pool_acquire_s: stores.PoolAcquire = 10
    statement_timeout_s: stores.StatementTimeout = 10
    redis_url: stores.RedisUrl = None
    redis_timeout_s: stores.RedisTimeout = 2
    redis_ca: lines.RedisCa = None
    redis_certificate: lines.RedisCertificate = None
    redis_key: lines.RedisKey = None
    redis_unencrypted: lines.RedisUnencrypted = False
    metadata_ttl_s: keeping.MetadataTtl = 300
    metadata_entries: keeping.MetadataEntries = 1000
    embedded_source: keeping.EmbeddedSource = "auto"

    # Long-running work
    job_lease_s: jobs.JobLease = 10
    jobs_kept_h: jobs.JobsKept = 24
    jobs_at_a_time: jobs.JobsAtATime = 2

    # Mail
    smtp: Annotated[Smtp, Field(description="The relay that mails are handed to (below).")] = Smtp()
    mail: Annotated[Delivery, Field(description="How they are handed to it (below).")] = Delivery()

    # Approvals
    approval_ttl_s: approvals.ApprovalTtl = 86_400
    approval_escalate_s: approvals.ApprovalEscalate = 3600
    approvals_per_user: approvals.ApprovalsPerUser = 20
    approvals_kept_days: approvals.ApprovalsKept = 90
    console_url: approvals.ConsoleUrl = None
    notify: Annotated[
        dict[str, Notify], Field(description="By tenant, who is told that calls wait for approval (below).")
    ] = {}

    # Web sessions of the console
    console_issuer: console.ConsoleIssuer = None
    console_client_id: console.ConsoleClientId = "console"
    console_client_secret: console.ConsoleClientSecret = None
    console_idle_s: console.ConsoleIdle = 1800
    console_absolute_s: console.ConsoleAbsolute = 28_800

    # Key rings, the sealing key first; base64 of 32 bytes each. A laptop makes its own in data_dir/keys.
    audit_keys: keys.AuditKeys = ()
    ledger_keys: keys.LedgerKeys = ()
    cursor_keys: keys.CursorKeys = ()
    session_keys: keys.SessionKeys = ()
    state_keys: keys.StateKeys = ()

    audit_batch: keys.AuditBatch = 200
    audit_checkpoint_s: keys.AuditCheckpointS = 60
    audit_checkpoints: keys.AuditCheckpoints = None
    audit_kept_days: keys.AuditKeptDays = None
    audit_held: keys.AuditHeld = ()
    audit_spool_bytes: keys.AuditSpoolBytes = 64 * 2**20
    otlp_endpoint: telemetry.OtlpEndpoint = None
    trace_ratio: telemetry.TraceRatio = 0.1
    metrics_port: telemetry.MetricsPort = None
    metrics_host: telemetry.MetricsHost = "127.0.0.1"
    slow_call_s: telemetry.SlowCall = 1.0
    log_level: telemetry.LogLevel = "INFO"

    @model_validator(mode="after")
    def _safe(self) -> "Settings":
        require_safe(self.model_copy())  # ours must not keep derived values: copies with other fields inherit them
        return self

    @cached_property
    def base_url(self) -> str:
        """Scheme and authority clients use, without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "https" if self.tls.certificate else "http"
        return (self.public_url or f"{scheme}://{host}:{self.port}").rstrip("/")

    @cached_property
    def console_base_url(self) -> str:
        """Where people reach the console, without a trailing slash."""
        return (self.console_url or f"{self.base_url}/console").rstrip("/")

    @cached_property
    def notice_s(self) -> float:
        """`drain_notice_s`, or the profile's own: nobody balances over a laptop."""
        return self.drain_notice_s if self.drain_notice_s is not None else 5.0 * (self.profile == "fleet")

    @cached_property
    def patience_s(self) -> float:
        """`start_wait_s`, or the profile's own: on a laptop nobody else is about to start PostgreSQL."""
        return self.start_wait_s if self.start_wait_s is not None else 30.0 * (self.profile == "fleet")

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
