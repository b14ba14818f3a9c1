"""Unsafe settings, one row a rule, each beside a neighbour that is safe."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

Variables = Mapping[str, str]


def key(name: str) -> str:
    """A key as random as any."""
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


SECRET = "hunter2hunter2"
APP = f"postgresql://suite_app:{SECRET}@db.example.com/suite"
READER = f"postgresql://suite_reader:{SECRET}@db.example.com/suite"
OWNER = f"postgresql://suite_owner:{SECRET}@db.example.com/suite"
RINGS = ("AUDIT_KEYS", "LEDGER_KEYS", "CURSOR_KEYS", "SESSION_KEYS", "STATE_KEYS")

PROD: Variables = {
    "PROFILE": "fleet",
    "ENVIRONMENT": "prod",
    "PUBLIC_URL": "https://mcp.example.com",
    "ISSUER": "https://login.example.com",
    "DATABASE_URL": APP,
    "DATABASE_CA": "/etc/ssl/database.pem",
    "REDIS_URL": f"rediss://:{SECRET}@cache.example.com",
    "DATA_DIR": "/data",
    **{ring: key(ring) for ring in RINGS},
}
DEV_FLEET: Variables = {**PROD, "ENVIRONMENT": "dev"}
LAPTOP: Variables = {}
JIRA = {"UPSTREAMS__JIRA__TENANT": "acme", "UPSTREAMS__JIRA__AUTH": "bearer", "UPSTREAMS__JIRA__TOKEN": SECRET}


@dataclass(frozen=True)
class Row:
    """`unsafe` over `base` breaks `rule`, and `safe` over it does not; an empty value takes a variable away."""

    rule: str
    base: Variables
    unsafe: Variables
    safe: Variables = field(default_factory=dict[str, str])
    warns: bool = False


ROWS = (
    # what is kept, and by whom it is read
    Row("fleet-incomplete", PROD, {"STATE_KEYS": ""}),
    Row("in-process-state-with-replicas", LAPTOP, {"REPLICAS": "2"}, {"REPLICAS": "1"}),
    Row("embedded-database-in-production", PROD, {"DATABASE_URL": "", "PROFILE": "laptop"}, {"PROFILE": "laptop"}),
    Row("laptop-in-production", PROD, {"PROFILE": "laptop"}, warns=True),
    Row("pool-exceeds-itself", LAPTOP, {"POOL_MIN": "5", "POOL_MAX": "4"}, {"POOL_MIN": "4", "POOL_MAX": "4"}),
    Row("too-many-connections", PROD, {"REPLICAS": "26"}, {"REPLICAS": "25"}, warns=True),
    Row(
        "tenant-pin-unread",
        LAPTOP,
        {"DOMAIN_TENANT__CUSTOMERS": "acme"},
        {"DOMAIN_TENANT__CUSTOMERS": "acme", "DOMAIN_URL__CUSTOMERS": READER},
    ),
    Row("roles-not-apart", DEV_FLEET, {"DATABASE_READER_URL": APP}, {"DATABASE_READER_URL": READER}),
    Row("owner-url-in-server", PROD, {"DATABASE_OWNER_URL": OWNER}),
    Row("command-url-in-server", PROD, {"DATABASE_READER_URL": READER}, warns=True),
    Row("spool-in-temporary-folder", PROD, {"DATA_DIR": "/tmp/suite"}),
    Row(
        "local-reads-with-replicas", PROD, {"REDIS_LOSS_READS": "local", "REPLICAS": "2"}, {"REPLICAS": "2"}, warns=True
    ),
    Row("drain-shorter-than-deadline", PROD, {"DRAIN_S": "14"}, {"DRAIN_S": "15"}, warns=True),
    # who calls
    Row("mock-issuer-on-public-address", LAPTOP, {"HOST": "0.0.0.0"}, {"HOST": "::1"}),
    Row(
        "mock-issuer-in-production",
        PROD,
        {"ISSUER": "https://mcp.example.com/idp"},
        {"ISSUER": "https://mcp.example.com/login"},
    ),
    Row("mock-issuer-in-production", PROD, {"ISSUER": "https://localhost:8443/idp", "ENVIRONMENT": "stage"}),
    Row("issuer-unencrypted", DEV_FLEET, {"ISSUER": "http://login.example.com"}, {"ISSUER": "http://127.0.0.1:9000"}),
    Row("issuer-unencrypted", PROD, {"JWKS_URL": "http://10.0.0.7/keys"}, {"JWKS_URL": "https://10.0.0.7/keys"}),
    Row("symmetric-algorithm", LAPTOP, {"TOKEN_ALGORITHMS": "ES256 HS256"}, {"TOKEN_ALGORITHMS": "ES256"}),
    Row("long-lived-tokens", PROD, {"TOKEN_MAX_LIFETIME_S": "14401"}, {"TOKEN_MAX_LIFETIME_S": "14400"}),
    Row(
        "issuer-twice",
        PROD,
        {"ISSUERS__A__URL": "https://a.example"},
        {"ISSUERS__A__URL": "https://a.example", "ISSUER": ""},
    ),
    Row(
        "issuers-overlap",
        LAPTOP,
        {"ISSUERS__A__URL": "https://a.example", "ISSUERS__B__URL": "https://b.example", "ISSUERS__B__TENANT": "b"},
        {"ISSUERS__A__URL": "https://a.example"},
    ),
    Row("stdio-admin-in-fleet", PROD, {"STDIO_ROLES": "admin"}, {"STDIO_ROLES": "support"}, warns=True),
    # who reaches us, and whom we reach
    Row("public-url-unencrypted", DEV_FLEET, {"PUBLIC_URL": "http://mcp.example.com"}),
    Row("any-host", LAPTOP, {"ALLOWED_ORIGINS": "https://*.example.com"}, {"ALLOWED_ORIGINS": "https://a.example.com"}),
    Row("any-proxy", PROD, {"TRUSTED_PROXIES": "10.0.0.1 0.0.0.0/0"}, {"TRUSTED_PROXIES": "10.0.0.0/8 fc00::/7"}),
    Row("any-proxy", PROD, {"TRUSTED_PROXIES": "0.0.0.0/1 128.0.0.0/1"}),
    Row(
        "public-metrics",
        PROD,
        {"METRICS_PORT": "9464", "METRICS_HOST": "8.8.8.8"},
        {"METRICS_PORT": "9464", "METRICS_HOST": "0.0.0.0"},
    ),
    Row(
        "metrics-everywhere",
        LAPTOP,
        {"METRICS_PORT": "9464", "METRICS_HOST": "0.0.0.0"},
        {"METRICS_PORT": "9464"},
        warns=True,
    ),
    Row(
        "collector-unencrypted",
        PROD,
        {"OTLP_ENDPOINT": "http://collector:4318"},
        {"OTLP_ENDPOINT": "http://localhost:4318"},
        warns=True,
    ),
    Row(
        "smtp-unencrypted",
        LAPTOP,
        {"SMTP__HOST": "relay.example.com", "SMTP__SECURITY": "none"},
        {"SMTP__HOST": "relay.example.com"},
    ),
    Row(
        "smtp-unencrypted-on-purpose",
        PROD,
        {"SMTP__HOST": "relay", "SMTP__SECURITY": "none", "SMTP__UNENCRYPTED": "true"},
        {"SMTP__HOST": "relay"},
        warns=True,
    ),
    Row(
        "webhook-unsafe",
        LAPTOP,
        {
            "NOTIFY__ACME__WEBHOOK_URL": "http://hooks.example.com",
            "NOTIFY__ACME__WEBHOOK_SECRETS": f"whsec_{key('hook')}",
        },
        {
            "NOTIFY__ACME__WEBHOOK_URL": "https://hooks.example.com",
            "NOTIFY__ACME__WEBHOOK_SECRETS": f"whsec_{key('hook')}",
        },
    ),
    Row("peer-unencrypted", PROD, {"PEERS__MAIL": "http://mail/mcp"}, {"PEERS__MAIL": "https://mail/mcp"}),
    Row(
        "upstream-unsafe",
        LAPTOP,
        {**JIRA, "UPSTREAMS__JIRA__URL": "http://jira.example.com"},
        {**JIRA, "UPSTREAMS__JIRA__URL": "https://jira.example.com"},
    ),
    # lines
    Row("database-unencrypted", DEV_FLEET, {"DATABASE_CA": ""}, {"DATABASE_CA": "", "DATABASE_UNENCRYPTED": "true"}),
    Row("redis-unencrypted", DEV_FLEET, {"REDIS_URL": f"redis://:{SECRET}@cache.example.com"}),
    Row(
        "redis-ca-unused",
        LAPTOP,
        {"REDIS_CA": "/ca.pem", "REDIS_URL": "redis://localhost"},
        {"REDIS_CA": "/ca.pem", "REDIS_URL": "rediss://localhost"},
    ),
    Row("unencrypted-on-purpose", PROD, {"REDIS_UNENCRYPTED": "true"}, warns=True),
    Row("tls-half", PROD, {"TLS__CERTIFICATE": "/c.pem"}, {"TLS__CERTIFICATE": "/c.pem", "TLS__KEY": "/k.pem"}),
    Row(
        "client-certificate-half",
        PROD,
        {"DATABASE_CERTIFICATE": "/c.pem"},
        {"DATABASE_CERTIFICATE": "/c.pem", "DATABASE_KEY": "/k.pem"},
    ),
    Row(
        "pooler-without-session-url",
        PROD,
        {"DATABASE_POOLER": "transaction"},
        {"DATABASE_POOLER": "transaction", "DATABASE_SESSION_URL": APP},
    ),
    Row(
        "probes-without-certificate",
        PROD,
        {"TLS__CERTIFICATE": "/c.pem", "TLS__KEY": "/k.pem", "TLS__CLIENT_CA": "/ca.pem"},
        {"TLS__CERTIFICATE": "/c.pem", "TLS__KEY": "/k.pem", "TLS__CLIENT_CA": "/ca.pem", "HEALTH_PORT": "8081"},
        warns=True,
    ),
    # secrets
    Row(
        "weak-key",
        DEV_FLEET,
        {"STATE_KEYS": base64.b64encode(b"x" * 16).decode()},
        {"STATE_KEYS": base64.b64encode(b"x" * 32).decode()},
    ),
    Row("example-key", PROD, {"STATE_KEYS": base64.b64encode(b"x" * 32).decode()}),
    Row(
        "key-in-two-rings",
        PROD,
        {"STATE_KEYS": f"{key('new')} {key('AUDIT_KEYS')}"},
        {"STATE_KEYS": f"{key('new')} {key('old')}"},
    ),
    Row(
        "vault-incomplete",
        PROD,
        {"VAULT__URL": "http://vault.example.com", "VAULT__TOKEN": SECRET},
        {"VAULT__URL": "https://vault.example.com", "VAULT__TOKEN": SECRET},
    ),
    Row(
        "vault-incomplete",
        PROD,
        {"VAULT__URL": "https://vault.example.com"},
        {"VAULT__URL": "https://vault.example.com", "VAULT__ROLE": "suite"},
    ),
    Row("debug-logs-in-production", PROD, {"LOG_LEVEL": "DEBUG"}, {"LOG_LEVEL": "INFO"}, warns=True),
    # limits
    Row("limits-switched-off", PROD, {"CALLS_PER_MINUTE": "6001"}, {"CALLS_PER_MINUTE": "6000"}, warns=True),
)


def variables(base: Variables, changes: Variables) -> dict[str, str]:
    """As a process finds them."""
    return {f"SUITE_{name}": value for name, value in {**base, **changes}.items() if value}
