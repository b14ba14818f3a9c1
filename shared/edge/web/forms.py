"""What a form sent, and whether it was one of ours."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request

from shared.edge import body, envelope
from shared.edge.arrivals import Arrivals
from shared.edge.web.refused import Refused

LIMIT_BYTES = 256 * 1024
CSRF, ONCE, PAGE = "csrf", "once", "page"
"""Fields of the frame's own, in every form."""
_FIELDS_MOST = 1000
_ONCE = re.compile(r"[\w-]{16,64}", re.ASCII)


@dataclass(frozen=True)
class Form:
    """The fields of a POST.

    Attributes:
        fields: In order, without the frame's own.
        page: On which page the form was, as it says itself.
        once: Names this showing of the form.
    """

    fields: tuple[tuple[str, str], ...] = ()
    csrf: str = field(default="", repr=False)
    page: str | None = None
    once: str | None = None

    @property
    def values(self) -> Mapping[str, str]:
        return dict(self.fields)

    def every(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def check(self, expected: str) -> None:
        """Raise unless it carries the session's token.

        Raises:
            Refused: 403.
        """
        if not hmac.compare_digest(self.csrf.encode(), expected.encode()):
            said = "This form is too old, or not ours. Nothing was done. Go back, load the page again, and repeat it."
            raise Refused("csrf", 403, said)


def check_origin(request: Request, base_url: str) -> None:
    """Raise unless the browser says that a page of ours sends this.

    Raises:
        Refused: 403. A request that tells neither `Origin` nor `Sec-Fetch-Site` is of no browser of the last years.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    ours = f"{base_url.partition('://')[0]}://{request.headers.get('host', '').strip().lower()}"
    if (origin is None and site is None) or site not in {None, "same-origin"} or origin not in {None, ours}:
        raise Refused("cross_site", 403, "This was sent from another site's page. Nothing was done.")


async def read(request: Request, arrivals: Arrivals) -> Form:
    """The form of a POST.

    Raises:
        Refused: Too large, too slow, or no form.
        Disconnected: The browser went away.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or "content-encoding" in request.headers:
        raise Refused("media_type", 415, "Send the form as application/x-www-form-urlencoded.")
    try:
        content = await arrivals.read(request.receive, LIMIT_BYTES, request.headers.get("content-length"))
        pairs = (
            parse_qsl(
                content.decode(),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_FIELDS_MOST,
                strict_parsing=True,
            )
            if content
            else []
        )
    except body.TooLarge:
        said = f"The form is larger than {LIMIT_BYTES // 1024} KB. Shorten what you typed."
        raise Refused("too_large", 413, said) from None
    except envelope.Refused as slow:
        raise Refused(slow.reason, slow.status, "The form came too slowly. Send it again.") from None
    except ValueError:
        raise Refused("malformed", 400, "This is no form.") from None
    given = dict(pairs)
    once = given.get(ONCE, "")
    return Form(
        fields=tuple((name, value) for name, value in pairs if name not in {CSRF, ONCE, PAGE}),
        csrf=given.get(CSRF, ""),
        page=given.get(PAGE),
        once=once if _ONCE.fullmatch(once) else None,
    )
