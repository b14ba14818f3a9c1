"""What operators are told of a connection that failed, beside what a caller is told."""

import ssl

import asyncpg
import pytest

from shared.core.errors import Misconfigured, SuiteError, Unavailable
from shared.core.reason import reason
from shared.state.database import connect

pytestmark = pytest.mark.anyio


def caused(error: SuiteError, cause: Exception | None) -> SuiteError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Away. ([Errno 111] Connection refused)"),
        (asyncpg.InvalidPasswordError('password authentication failed for user "u"'), 'failed for user "u")'),
        (ssl.SSLCertVerificationError(1, "self-signed certificate"), "self-signed certificate)"),
        (TimeoutError(), "Away. (TimeoutError)"),
        (None, "Away."),
    ],
)
def test_why_it_cannot_be_reached_is_said(cause: Exception | None, said: str) -> None:
    assert reason(caused(Unavailable("Away."), cause)).endswith(said)


def test_the_cause_of_other_errors_is_theirs_to_tell() -> None:
    assert reason(caused(Misconfigured("Set it."), OSError("inside"))) == "Set it."


@pytest.mark.parametrize("url", ["postgresql://u:pw/secret@127.0.0.1:1/x", "mysql://u:pw/secret@h/x", "pw/secret"])
async def test_a_url_that_cannot_be_read_is_said_to_be_one_and_no_part_of_it_is_repeated(url: str) -> None:
    with pytest.raises(Unavailable) as raised:
        await connect(url, "test")
    said = reason(raised.value)
    assert "not SCHEME://USER:PASSWORD@HOST:PORT/NAME" in said
    assert "pw" not in said
    assert "secret" not in said
