"""What replicas are told: the same secrets, and nothing else that two of them could share by mistake."""

from pathlib import Path

import pytest

from compose.fleet import environment
from compose.fleet.plan import Plan
from compose.fleet.program import find_program
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.roles import Urls

URLS = Urls(*(f"postgresql://{role}@127.0.0.1/suite" for role in ("owner", "app", "reader", "operator", "console")))


def told(folder: Path, replicas: int = 3) -> tuple[Plan, dict[str, str]]:
    plan = Plan([find_program("customers")], folder, replicas, 8443)
    return plan, environment.shared_settings(plan, URLS, "redis://127.0.0.1:6379/0")


def test_a_replica_starts_on_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, shared = told(tmp_path)
    monkeypatch.delenv("SUITE_DATA_DIR", raising=False)
    for name, value in environment.of_replica(shared, 9001, tmp_path / "customers-1").items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.profile, settings.port, settings.data_dir) == ("fleet", 9001, tmp_path / "customers-1")
    assert settings.base_url == "https://127.0.0.1:8443"
    assert settings.shared_url


def test_every_ring_has_a_key_that_the_next_start_finds_again(tmp_path: Path) -> None:
    rings = {f"SUITE_{name.upper()}" for name in Settings.model_fields if name.endswith("_keys")}
    assert len(rings) >= 3
    _, first = told(tmp_path)
    _, second = told(tmp_path)
    assert {first[ring] for ring in rings} == {second[ring] for ring in rings}
    assert len({first[ring] for ring in rings}) == len(rings)
    assert [path for path in (tmp_path / "keys").iterdir() if path.stat().st_mode & 0o077] == []


def test_replicas_cannot_migrate_read_the_audit_or_switch(tmp_path: Path) -> None:
    plan, shared = told(tmp_path)
    others = {URLS.owner, URLS.reader, URLS.operator}
    assert not others & set(shared.values())
    for_people = environment.for_commands(plan, URLS, "redis://127.0.0.1:6379/0")
    assert others <= set(for_people.values())


def test_many_replicas_get_small_pools(tmp_path: Path) -> None:
    for replicas in (1, 3, 18):
        _, shared = told(tmp_path, replicas)
        assert 2 <= int(shared["SUITE_POOL_MAX"]) <= 10
        assert replicas * int(shared["SUITE_POOL_MAX"]) <= 80


def test_two_replicas_do_not_fight_for_the_port_of_the_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUITE_METRICS_PORT", "9464")
    _, shared = told(tmp_path)
    assert "SUITE_METRICS_PORT" not in environment.of_replica(shared, 9001, tmp_path / "customers-1")


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(Misconfigured, match="there is no server 'costumers'"):
        find_program("costumers")
