"""What settings must not say of the lines to PostgreSQL, Redis and the balancer."""

from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import Misconfigured
from shared.core.safety import problems
from shared.core.settings import Settings
from tests.shared.core.test_settings import FLEET

PEM = Path("/etc/mcp/ca.pem")
REMOTE = "postgresql://suite_app:p@db.example.com/suite"
TLS = {"certificate": PEM, "key": PEM}


def of(**given: Any) -> Settings:
    return Settings(**{**FLEET, **given})


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"database_url": REMOTE}, "database-unencrypted"),
        ({"database_url": f"{REMOTE}?sslmode=require"}, "database-unencrypted"),
        ({"database_url": f"{REMOTE}?sslmode=disable", "database_ca": PEM}, "database-unencrypted"),
        ({"database_reader_url": REMOTE.replace("suite_app", "suite_reader")}, "database-unencrypted"),
        ({"domain_url": {"customers": REMOTE}, "database_ca": PEM}, "database-unencrypted"),
        ({"redis_url": "redis://cache.example.com"}, "redis-unencrypted"),
        ({"redis_url": "rediss://cache.example.com?ssl_cert_reqs=none"}, "redis-unencrypted"),
        ({"redis_url": "redis://127.0.0.1", "redis_ca": PEM}, "redis-ca-unused"),
        ({"tls": {"certificate": PEM}}, "tls-half"),
        ({"tls": {"client_ca": PEM}}, "tls-half"),
        ({"tls": {**TLS, "client_names": "balancer"}}, "tls-half"),
        ({"database_ca": PEM, "database_certificate": PEM}, "client-certificate-half"),
        ({"redis_certificate": PEM, "redis_key": PEM}, "client-certificate-half"),
        ({"database_pooler": "transaction"}, "pooler-without-session-url"),
    ],
)
def test_it_does_not_start_and_the_rule_is_named(given: dict[str, Any], rule: str) -> None:
    with pytest.raises(Misconfigured, match=rf"(^|; ){rule}: "):
        of(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"database_url": REMOTE, "database_ca": PEM},
        {"database_url": f"{REMOTE}?sslmode=verify-full"},
        {"database_url": REMOTE, "database_unencrypted": True},
        {"database_url": "postgresql://suite_app@127.0.0.1/suite"},
        {"database_url": "postgresql://suite_app@/suite?host=/run/postgresql"},
        {"redis_url": "redis://cache.example.com", "redis_unencrypted": True},
        {"redis_url": "redis://localhost"},
        {"redis_url": "unix:///run/redis.sock"},
        {"redis_url": "rediss://cache.example.com", "redis_ca": PEM},
        {"tls": {**TLS, "client_ca": PEM, "client_names": "balancer"}},
        {"database_pooler": "transaction", "database_session_url": f"{REMOTE}?sslmode=verify-full"},
    ],
)
def test_it_starts_where_the_other_end_is_known_or_near_or_said_not_to_matter(given: dict[str, Any]) -> None:
    assert of(**given).profile == "fleet"


def test_a_laptop_may_reach_what_it_likes() -> None:
    assert Settings(database_url=REMOTE, redis_url="redis://cache.example.com").database_url  # pyright: ignore[reportArgumentType]


def test_probes_that_could_not_get_in_and_purposes_are_told() -> None:
    told = {found.rule.name for found in problems(of(tls={**TLS, "client_ca": PEM}))}
    assert "probes-without-certificate" in told
    in_production = of(redis_unencrypted=True).model_copy(update={"environment": "prod"})
    told = {found.rule.name for found in problems(in_production)}
    assert "unencrypted-on-purpose" in told
