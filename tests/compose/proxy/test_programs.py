"""Where the programs come from; the package itself is fetched by the other tests, once a machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compose.proxy import programs
from compose.proxy.packages import Unreachable, unpack
from compose.proxy.programs import find_balancer
from compose.proxy.topology import Kind
from shared.core.errors import Misconfigured
from tests.compose.proxy.site import require

KINDS: tuple[Kind, ...] = ("haproxy", "nginx")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has nothing; its folder for programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(programs, "_BESIDE_PATH", ())
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    for kind in KINDS:
        monkeypatch.delenv(f"SUITE_{kind.upper()}", raising=False)
    return folder


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_that_cannot_have_it_is_told_what_to_do(bare: Path, kind: Kind) -> None:
    with pytest.raises(Unreachable, match=f"no apt-get.*Install {kind}, or name one with SUITE_{kind.upper()}"):
        find_balancer(kind)


def test_an_apt_get_that_reaches_nobody_is_no_fault_of_ours(bare: Path) -> None:
    script(bare / "apt-get", "echo 'E: Could not resolve deb.example' >&2; exit 100")
    with pytest.raises(Unreachable, match="Could not resolve"):
        find_balancer()


def test_an_apt_get_that_works_and_has_no_such_package_is(bare: Path) -> None:
    """A skipped test would hide it."""
    script(bare / "apt-get", 'case "$*" in *update*) exit 0;; esac; echo "E: Unable to locate package" >&2; exit 100')
    with pytest.raises(Misconfigured, match="Unable to locate") as caught:
        find_balancer()
    assert not isinstance(caught.value, Unreachable)


def test_an_installed_one_comes_first_unless_it_is_too_old(bare: Path) -> None:
    installed = script(bare / "haproxy", "echo 'HAProxy version 2.8.3 2024/01/01'")
    assert (find_balancer().path, find_balancer().source) == (installed, "system")
    script(installed, "echo 'HAProxy version 2.4.1 2021/01/01'")
    with pytest.raises(Unreachable):
        find_balancer()


def test_a_named_one_comes_before_all(bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script(bare / "nginx", "echo 'nginx version: nginx/1.26.0' >&2")
    named = script(tmp_path / "mine", "echo 'nginx version: nginx/1.29.1' >&2")
    monkeypatch.setenv("SUITE_NGINX", str(named))
    assert str(find_balancer("nginx")) == "nginx 1.29.1 (SUITE_NGINX)"
    monkeypatch.setenv("SUITE_NGINX", str(tmp_path / "nothing"))
    with pytest.raises(Misconfigured, match="is no nginx"):
        find_balancer("nginx")


def test_it_is_fetched_once_for_all_who_want_it_at_the_same_time(tmp_path: Path) -> None:
    require("nginx")
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        pytest.skip("this machine has no apt-get")
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "apt-get", f'echo "$@" >> {tmp_path}/asked; exec {apt_get} "$@"')
    find = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.prefix = {str(tmp_path)!r}\n"
    find += "from compose.proxy.programs import _packaged; print(_packaged('nginx').path)"
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    wanted = [
        subprocess.Popen([sys.executable, "-c", find], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = {process.communicate(timeout=120)[0] for process in wanted}
    assert [process.returncode for process in wanted] == [0, 0, 0]
    assert len(said) == 1
    assert str(tmp_path) in said.pop()
    assert (tmp_path / "asked").read_text().count("download nginx") == 1


def test_what_no_longer_works_is_made_anew(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises(Unreachable):
        unpack("old", "usr/bin/old", tmp_path, lambda: False)
    assert not (tmp_path / "old").exists()
