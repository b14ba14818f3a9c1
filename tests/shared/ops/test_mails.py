"""A laptop without a relay gets one that delivers nothing; nobody else does."""

from pathlib import Path
from typing import Any

import pytest

from shared.core.settings import Settings
from shared.ops.mails import own_relay

pytestmark = pytest.mark.anyio


async def test_a_laptop_without_a_relay_gets_one_of_its_own(tmp_path: Path) -> None:
    async with own_relay(Settings(data_dir=tmp_path)) as (settings, beside):
        assert (settings.smtp.host, settings.smtp.security) == ("127.0.0.1", "none")
        assert {route.path for route in beside} >= {"/mail-sink", "/mail-sink/mails.json"}  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] - routes have one


ELSEWHERE: dict[str, Any] = {
    "issuer": "https://login.example.com",
    "database_url": "postgresql://db.example.com/suite",
    "data_dir": Path("/data"),
}
OTHERS: list[dict[str, Any]] = [
    {"environment": "prod", **ELSEWHERE},
    {"environment": "stage", **ELSEWHERE},
    {"smtp": {"host": "smtp.example.com"}},
]


@pytest.mark.parametrize("given", OTHERS, ids=["prod", "stage", "its own"])
async def test_nobody_else_does(tmp_path: Path, given: dict[str, Any]) -> None:
    values: dict[str, Any] = {"data_dir": tmp_path, **given}
    asked = Settings(**values)
    async with own_relay(asked) as (settings, beside):
        assert (settings, beside) == (asked, [])
