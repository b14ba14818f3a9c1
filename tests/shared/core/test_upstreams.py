from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.opening import open_all

JIRA: dict[str, Any] = {"url": "https://acme.atlassian.net", "tenant": "acme", "scopes": ["read:jira-work"]}


def settings(**changes: Any) -> Settings:
    return named("jira", **changes)


def named(name: str, **changes: Any) -> Settings:
    given: Any = {name: {**JIRA, **changes}}
    return Settings(upstreams=given)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "http://acme.atlassian.net"}, "must be https"),
        ({"url": "ftp://acme.atlassian.net"}, "must be https"),
        ({"url": "https://"}, "https://HOST"),
        ({"url": "https://me:secret@acme.atlassian.net"}, "settings of their own"),
        ({"url": "https://acme.atlassian.net?x=1"}, "settings of their own"),
        ({"tenant": "Acme Inc."}, "no tenant's name"),
        ({"scopes": []}, "needs scopes"),
        ({"auth": "basic"}, "needs a token"),
        ({"auth": "basic", "token": "t"}, "needs both"),
        ({"user": "bot"}, "needs both"),
    ],
)
def test_what_would_be_unsafe_or_could_not_work_refuses_to_start(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as refused:
        settings(**changes)
    assert "jira" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://jira.example/x"]
)
def test_plain_http_is_for_this_machine_alone(url: str) -> None:
    assert settings(url=url).upstreams["jira"].audience == url


def test_it_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUITE_UPSTREAMS__JIRA__URL", "https://acme.atlassian.net")
    monkeypatch.setenv("SUITE_UPSTREAMS__JIRA__TENANT", "acme")
    monkeypatch.setenv("SUITE_UPSTREAMS__JIRA__SCOPES", "read:jira-work write:jira-work")
    assert Settings().upstreams["jira"].scopes == ("read:jira-work", "write:jira-work")


def test_an_unknown_setting_of_one_is_an_error() -> None:
    with pytest.raises(ValidationError, match="retries"):
        settings(retries=3)


def test_secrets_do_not_show() -> None:
    assert "hush" not in repr(settings(auth="basic", user="bot", token="hush"))


@pytest.mark.anyio
async def test_one_that_no_server_knows_refuses_to_start() -> None:
    with pytest.raises(Misconfigured, match="jria; servers work over: jira"):
        async with open_all(named("jria")):
            pass
