"""The cookies of one site. Over https they have the prefix `__Host-` (RFC 6265bis §4.1.3.2): no other host of the
domain can set or read them.
"""

from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

_LOGINS_MOST = 6


class Cookies:
    """Reads and writes them; all are HttpOnly, SameSite=Lax and of the whole host.

    Args:
        name: Of the server.
        secure: Whether browsers reach it over https.
    """

    def __init__(self, name: str, *, secure: bool) -> None:
        self._secure = secure
        self._session = f"__Host-{name}" if secure else name

    def session(self, request: Request) -> str | None:
        """The session id, if one was sent."""
        return request.cookies.get(self._session)

    def keep_session(self, response: Response, session_id: str) -> None:
        """For as long as the browser runs: how long a session lasts is ours to say."""
        self._set(response, self._session, session_id, None)

    def end_session(self, response: Response) -> None:
        self._set(response, self._session, "", 0)

    def login(self, request: Request, state: str) -> str | None:
        """What this browser kept of the sign-in with this `state`."""
        return request.cookies.get(self._login(state))

    def keep_login(self, request: Request, response: Response, state: str, kept: str, seconds: int) -> None:
        """One for each sign-in under way, since each tab may have one; the first ones give way to too many."""
        started = sorted(name for name in request.cookies if name.startswith(f"{self._session}-login-"))
        for name in started[: max(0, len(started) - _LOGINS_MOST + 1)]:
            self._set(response, name, "", 0)
        self._set(response, self._login(state), kept, seconds)

    def end_login(self, response: Response, state: str) -> None:
        self._set(response, self._login(state), "", 0)

    def told_once(self, request: Request, what: str) -> str | None:
        """What is kept for the next page."""
        return request.cookies.get(f"{self._session}-{what}")

    def tell_once(self, response: Response, what: str, value: str, seconds: int) -> None:
        """Keep for the next page, for so many seconds; 0 forgets it."""
        self._set(response, f"{self._session}-{what}", value, seconds)

    def _login(self, state: str) -> str:
        return f"{self._session}-login-{sha256(state.encode()).hexdigest()[:16]}"

    def _set(self, response: Response, name: str, value: str, seconds: int | None) -> None:
        response.set_cookie(name, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax")
