"""What a token endpoint answered to an exchange (RFC 8693 §2.2): a token we may use, or why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from http import HTTPStatus

from pydantic import SecretStr

from shared.core.errors import CannotDelegate, Failure, Forbidden, Unavailable
from shared.state.http import BadAnswer
from shared.steps.tokens import TOKEN_LIMIT

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 a type, not a token
_LONGEST_S = 24 * 3600
_OF_THE_TOKEN = ("invalid_request", "invalid_grant", "access_denied")
"""RFC 8693 §2.2.2 gives no better words for a subject token that is not accepted."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A token for another server.

    Attributes:
        lifetime_s: 0 if the provider did not say.
    """

    token: SecretStr = field(repr=False)
    lifetime_s: float


def read(
    status: int, answer: Mapping[str, object], subject: SecretStr, resource: str, scopes: Sequence[str]
) -> Exchanged:
    """The token in an answer.

    Args:
        status: Of HTTP.
        answer: The JSON object.
        subject: What was to be exchanged.
        resource: Where it is for.
        scopes: What was asked for.

    Raises:
        Failure: The provider refused, or gave less than was asked for.
        BadAnswer: What came is no exchanged token.
    """
    if status != HTTPStatus.OK:
        raise _refusal(status, answer.get("error"), resource, scopes)
    token, kind = answer.get("access_token"), answer.get("token_type")
    if not isinstance(token, str) or not 0 < len(token) <= TOKEN_LIMIT or not token.isprintable() or " " in token:
        raise BadAnswer("no token")
    if not isinstance(kind, str) or kind.lower() != "bearer" or answer.get("issued_token_type") != ACCESS_TOKEN:
        raise BadAnswer("another kind of token")
    if compare_digest(token.encode(), subject.get_secret_value().encode()):
        raise BadAnswer("the same token")  # to send it on would be to pass through the caller's own
    granted = answer.get("scope")
    if isinstance(granted, str) and not set(scopes) <= set(granted.split()):
        raise _lacking(resource, scopes)
    return Exchanged(SecretStr(token), _seconds(answer.get("expires_in")))


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return min(max(float(value), 0), _LONGEST_S)


def _refusal(status: int, error: object, resource: str, scopes: Sequence[str]) -> Failure:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unavailable("The identity provider cannot exchange tokens now; retry later.")
    if error == "invalid_scope":
        return _lacking(resource, scopes)
    if error in _OF_THE_TOKEN:
        said = f"The identity provider does not let your access token be exchanged for {resource}. Sign in again."
        return Forbidden(said, scopes)
    return CannotDelegate(
        f"The identity provider does not let this server act for anybody at {resource}. Who runs it must allow its "
        "client to exchange tokens for that resource."
    )


def _lacking(resource: str, scopes: Sequence[str]) -> Forbidden:
    said = f"To act for you at {resource} this call needs {' '.join(scopes)}, which your access token does not carry."
    return Forbidden(said, scopes)
