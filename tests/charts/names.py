"""Names that the chart's schema lets pass, from the settings themselves; `python -m tests.charts.names` writes them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.core.issuers import Issuer
from shared.core.settings import Settings

SCHEMA = Path(__file__).parents[2] / "charts" / "mcp-suite" / "values.schema.json"

WRITTEN_BY_THE_CHART = {
    *("profile", "environment", "public_url", "shared_url", "host", "port", "data_dir", "secrets_dir", "issuers"),
    *("trusted_proxies", "replicas", "pool_min", "pool_max", "drain_notice_s", "drain_s", "health_host", "health_port"),
    *("metrics_host", "metrics_port", "tls", "vault", "database_ca", "database_unencrypted", "database_pooler"),
    *("database_certificate", "database_key", "redis_ca", "redis_certificate", "redis_key", "redis_unencrypted"),
    *("policy_dir",),
}
"""They have values of their own, or no choice."""

OF_A_LAPTOP = {"embedded_source", "issuer", "jwks_url", "tenant_claim"}
"""`issuers` stands in place of the last three."""

WITHOUT_A_FILE = {"audit_checkpoints"}
"""They name files and folders that the chart does not mount."""


def settings() -> list[str]:
    """What may stand in `settings`: neither secrets nor what the chart writes itself."""
    left_out = WRITTEN_BY_THE_CHART | OF_A_LAPTOP | WITHOUT_A_FILE
    return sorted(
        name
        for name, field in Settings.model_fields.items()
        if name not in left_out and not name.startswith("stdio_") and "SecretStr" not in str(field.annotation)
    )


def keys_of_an_issuer() -> list[str]:
    return sorted(Issuer.model_fields.keys() - {"client_secret"})


def known() -> dict[str, list[str]]:
    return {"settingName": settings(), "issuerKey": keys_of_an_issuer()}


def paths(environment: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """Where in the settings each variable points."""
    for name in environment:
        if name.startswith("SUITE_"):
            yield tuple(name.removeprefix("SUITE_").lower().split("__"))


def write() -> None:
    schema: dict[str, Any] = json.loads(SCHEMA.read_text())
    for name, values in known().items():
        schema["$defs"][name]["enum"] = values
    SCHEMA.write_text(json.dumps(schema, indent=2) + "\n")


if __name__ == "__main__":
    write()
