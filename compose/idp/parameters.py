from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

from compose.idp.refusals import OAuthError

_FIELDS = 32
_VALUE_CHARS = 4096


@dataclass(frozen=True)
class Parameters:
    """The parameters of a request; empty ones count as absent, none but `resource` may repeat (RFC 6749 §3.1)."""

    values: Mapping[str, str]
    resources: tuple[str, ...]

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def need(self, name: str) -> str:
        """The parameter's value.

        Raises:
            OAuthError: `invalid_request`, it is not there.
        """
        value = self.values.get(name)
        if value is None:
            raise OAuthError("invalid_request", f"Send the parameter {name}.")
        return value


def parse(encoded: str) -> Parameters:
    """Parameters of a query or a form body.

    Raises:
        OAuthError: `invalid_request`: malformed, too many, too long, or one came twice.
    """
    try:
        pairs = parse_qsl(encoded, encoding="utf-8", errors="strict", max_num_fields=_FIELDS)
    except ValueError:
        raise OAuthError("invalid_request", f"Send at most {_FIELDS} parameters, encoded as UTF-8.") from None
    if any(len(value) > _VALUE_CHARS for _, value in pairs):
        raise OAuthError("invalid_request", f"Keep each parameter under {_VALUE_CHARS} characters.")
    single = [(name, value) for name, value in pairs if name != "resource"]
    values = dict(single)
    if len(values) != len(single):
        raise OAuthError("invalid_request", "Send each parameter once.")
    return Parameters(values, tuple(value for name, value in pairs if name == "resource"))


async def parse_form(request: Request) -> Parameters:
    """Parameters of a form body, the only place a POST may carry them (RFC 6749 §3.2).

    Raises:
        OAuthError: `invalid_request`, as `parse`, or the body is no form.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "Send a form: application/x-www-form-urlencoded.")
    try:
        return parse((await request.body()).decode("ascii"))
    except UnicodeDecodeError:
        raise OAuthError("invalid_request", "Percent-encode the form.") from None
