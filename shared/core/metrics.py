"""What a process counts. Labels hold names of ours and words from fixed sets, never what a client chose."""

from shared.core.counting import Counter, Gauge, Histogram, Metric

REQUESTS = Counter(
    "mcp_requests_total",
    "Requests answered. tool: the tool, prompt, read or completion if it is one of ours, else the method, or "
    "`unknown`; status: the outcome the audit has.",
    *("server", "tool", "status", "era"),
)
REQUEST_S = Histogram(
    "mcp_request_duration_seconds", "From the first byte we look at to the answer, its record included.",
    *("server", "tool"),
)  # fmt: skip
IN_FLIGHT = Gauge("mcp_requests_in_flight", "Requests that are being answered.", "server")
REQUESTS_WAITING = Gauge("mcp_requests_waiting", "Requests that wait for their turn, since `max_in_flight` are served.")
STREAMS = Gauge("mcp_streams_open", "Streams that are open, and calls that wait for their user.")
LOOP_LAG = Gauge("event_loop_lag_seconds", "How late the event loop runs what is due, averaged over half a second.")
AUTHENTICATION_FAILURES = Counter(
    "mcp_authentication_failures_total", "Requests without a token we accept; reason: why not.", "server", "reason"
)
SCOPE_FAILURES = Counter(
    "mcp_scope_failures_total", "Calls refused because the token lacks a scope of the tool.", "server", "tool"
)
POLICY_DECISIONS = Counter(
    "mcp_policy_decisions_total",
    "What policy said to calls; decision: `allow`, `confirm`, `approve`, `step_up`, `deny`.",
    *("server", "decision"),
)
POLICY_RELOADS = Counter(
    "mcp_policy_reloads_total",
    "Changed policy files; outcome: `in_force`, or `refused`: the last good ones go on.",
    *("server", "outcome"),
)
RATE_LIMITED = Counter(
    "mcp_rate_limited_total",
    "Calls refused by a limit; the status of `mcp_requests_total` says by which kind.",
    "server",
)
EDGE_REFUSALS = Counter(
    "mcp_edge_refusals_total", "Requests refused before any handler saw them; reason: as in the audit.",
    *("server", "reason"),
)  # fmt: skip
REPLAYS = Counter(
    "mcp_ledger_replays_total", "Writes answered from the ledger, since they were done before.", "server", "tool"
)
DEPRECATED_CALLS = Counter(
    "suite_deprecated_calls_total",
    "Calls of tools that will go, whatever became of them; the audit says whose (docs/deprecation.md).",
    *("server", "tool"),
)
BACKEND_S = Histogram(
    "backend_duration_seconds",
    "One round trip. postgres: a statement; redis: a script; jwks, introspection, exchange: the identity provider; "
    "smtp: until the mail relay is ready; "
    "audit: `write` is what a call waits until its record is durable, `store` the commit of one batch.",
    *("backend", "operation"),
)
POOL_ACQUIRE_S = Histogram("pool_acquire_seconds", "How long a call waited for a database connection.")
POOL = Gauge("pool_connections", "Database connections; state: `idle`, `used`.", "state")
POOL_WAITING = Gauge("pool_waiting", "Calls that wait for a database connection.")
AUDIT_WAITING = Gauge("audit_records_waiting", "Records that are not durable yet.")
AUDIT_SPOOL_BYTES = Gauge("audit_spool_bytes", "Refusals kept on disk because the audit store is away.")
AUDIT_CHECKPOINTS = Counter(
    "audit_checkpoints_total",
    "Signed statements of how far the chain goes (docs/answer-an-auditor.md); outcome: `kept`, `failed`.",
    "outcome",
)
BUS_LOST = Counter(
    "bus_messages_lost_total",
    "Word between replicas that was lost; whoever waits for it looks where the state is kept. reason: `not_sent`, "
    "`inbox_full`, `connection_lost` (one for each listener).",
    "reason",
)
METADATA_LOOKUPS = Counter(
    "metadata_lookups_total",
    "Metadata that tools asked for. result: `hit`, kept or just being made for another call; `miss`, made anew; "
    "`bypass`, made anew since nothing is kept: no word of changes arrives, a change was just told, or there are too "
    "many tenants.",
    *("server", "result"),
)
SWITCHES_AGE_S = Gauge(
    "switches_age_seconds",
    "How long ago the process last knew for certain what is switched off; above 5 it is not ready.",
)
MAILS = Counter(
    "mail_attempts_total",
    "Mails handed to the relay; became: `taken`, `refused` for good, `later`, `lost` before the text, `unknown` after "
    "it, `worker_lost`: the same, since the worker died.",
    "became",
)
MAIL_S = Histogram("mail_attempt_seconds", "One mail, from its sender's name to the relay's answer.", "became")
MAILS_ENDED = Counter("mails_ended_total", "Mails that came to an end; state: `sent`, `failed`, `dead`.", "state")
MAILS_BOUNCED = Counter(
    "mails_bounced_total", "Recipients that the relay says do not exist, and that were put on the suppression list."
)
MAILS_EMPTIED = Counter(
    "mails_emptied_total", "Mails whose content was removed, since they ended SUITE_MAIL__KEPT_DAYS ago."
)
MAILS_WAITING = Gauge(
    "mails_waiting",
    "Mails of all tenants that wait; every replica tells the same, as it last looked. state: `due`, `later`.",
    "state",
)
MAIL_RELAY = Gauge("mail_relay", "state: `left_alone`, 1 while the process does not ask the relay.", "state")
CERTIFICATE_ENDS = Gauge(
    "suite_certificate_expiry_timestamp_seconds",
    "When the first certificate of a file in use ends, in seconds since 1970. use: `server`, what we show to clients; "
    "`client_ca`, whose they must be; `database_ca`, `database_client`, `redis_ca`, `redis_client`.",
    "use",
)
CERTIFICATE_RELOADS = Counter(
    "suite_certificate_reloads_total",
    "Changed files of certificates; outcome: `in_force`, or `refused`: the last good ones go on.",
    *("use", "outcome"),
)
TLS_REFUSALS = Counter(
    "suite_tls_client_refusals_total",
    "Connections closed for the client's certificate, which was right, but not of a name in SUITE_TLS__CLIENT_NAMES.",
)
TELEMETRY_DROPPED = Counter(
    "telemetry_dropped_total",
    "Telemetry nobody got. signal: `spans`, `metrics`, `log_lines`; reason: `queue_full`, `not_delivered`.",
    *("signal", "reason"),
)

VAULT_LEASE_EXPIRY = Gauge(
    "suite_vault_lease_expiry_timestamp_seconds",
    "When what Vault lent ends unless it is renewed, in seconds since the epoch. lease: `token`, or the path.",
    "lease",
)
VAULT_RENEWALS = Counter(
    "suite_vault_renewals_total",
    "Leases that were to be renewed. outcome: `renewed`; `shortened`, by less than asked: it nears its longest time; "
    "`refused`; `away`: asked again.",
    *("lease", "outcome"),
)

ALL: tuple[Metric, ...] = tuple(declared for declared in [*globals().values()] if isinstance(declared, Metric))
"""Each of the above, in this order: what is counted is shown."""
