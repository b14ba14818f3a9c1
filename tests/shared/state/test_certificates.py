"""When certificates end, and who is told."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.lines import lines_of
from shared.state.renewing import certificates
from tests.authority import Authority


def settings_of(folder: Path, lasts: timedelta) -> Settings:
    authority = Authority(folder)
    own = authority.sign("server", "127.0.0.1", lasts=lasts)
    values: dict[str, Any] = {"tls": {"certificate": own.certificate, "key": own.key}, "database_ca": authority.file}
    return Settings(**values)


@pytest.mark.parametrize(("days", "warned"), [(13, True), (15, False), (-1, True)])
def test_the_log_warns_two_weeks_before_a_certificate_ends(tmp_path: Path, days: int, warned: bool) -> None:
    lines = lines_of(settings_of(tmp_path, timedelta(days=days)))
    with structlog.testing.capture_logs() as logged:
        for line in lines:
            line.warn()
    assert [(entry["log_level"], entry["use"]) for entry in logged] == ([("warning", "server")] if warned else [])


@pytest.mark.parametrize(("days", "level"), [(30, "ok"), (3, "warning"), (-1, "problem")])
def test_the_doctor_has_a_line_for_each(tmp_path: Path, days: int, level: str) -> None:
    server, database = certificates(settings_of(tmp_path, timedelta(days=days)))
    assert (server.level, database.level) == (level, "ok")
    assert "certificate of server" in server.text
    assert "certificate of database_ca" in database.text


def test_files_that_do_not_fit_are_named_at_start_and_by_the_doctor(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, timedelta(days=30))
    other = Authority(tmp_path, "other").sign("other", "127.0.0.1")
    values: dict[str, Any] = {"tls": {"certificate": settings.tls.certificate, "key": other.key}}
    wrong = Settings(**values)
    with pytest.raises(Misconfigured, match=r"server\.crt"):
        lines_of(wrong)
    [found] = certificates(wrong)
    assert found.level == "problem"


def test_links_that_are_turned_are_noticed(tmp_path: Path) -> None:
    """As Kubernetes renews what it mounts."""
    authorities = [Authority(tmp_path / name, name) for name in ("old", "new")]
    link = tmp_path / "ca.pem"
    link.symlink_to(authorities[0].file)
    [line] = lines_of(Settings(database_ca=link))
    before = line.context
    assert line.newest() is before
    turned = tmp_path / "turned"
    turned.symlink_to(authorities[1].file)
    turned.replace(link)
    assert line.newest() is not before
