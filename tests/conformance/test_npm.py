import json
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.clients.node import npm
from tests.conformance.loopback import Handler, listening
from tests.processes import free_port

LOCK = {
    "lockfileVersion": 3,
    "packages": {
        "": {"dependencies": {"absent": "1.0.0"}},
        "node_modules/absent": {"version": "1.0.0", "integrity": f"sha512-{'A' * 86}=="},
    },
}


class Empty(Handler):
    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        self.send_error(404)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A project that needs a package nobody has, and npm with nothing in its cache."""
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    made = tmp_path / "project"
    made.mkdir()
    (made / "package.json").write_text(json.dumps({"dependencies": {"absent": "1.0.0"}}))
    (made / "package-lock.json").write_text(json.dumps(LOCK))
    npm.silence.cache_clear()
    yield made
    npm.silence.cache_clear()


def test_without_a_registry_the_tests_are_skipped_and_the_reason_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(pytest.skip.Exception) as skipped:
        npm.installed(folder)
    assert str(skipped.value) == "NOT RUN, npm packages of project are missing: npm ping ended with ECONNREFUSED"


def test_a_package_the_registry_does_not_have_is_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(Empty) as registry:
        monkeypatch.setenv("npm_config_registry", registry)
        with pytest.raises(AssertionError, match="E404"):
            npm.installed(folder)
