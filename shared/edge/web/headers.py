"""What every answer of a site tells the browser not to do."""

from starlette.types import Message, Send

_POLICY = (
    "default-src 'none'; style-src 'self' 'nonce-{nonce}'; script-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_YEAR_S = 365 * 86_400


def guarded(send: Send, nonce: str, *, secure: bool) -> Send:
    """A `send` whose answers carry the headers; what has no `Cache-Control` of its own is kept nowhere.

    `Referrer-Policy` is no stricter because browsers then hide the `Origin` of forms, by which they are checked.
    """
    headers = {**_ALWAYS, "content-security-policy": _POLICY.format(nonce=nonce)}
    if secure:
        headers["strict-transport-security"] = f"max-age={_YEAR_S}; includeSubDomains"
    told = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def guard(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = message.get("headers", [])
            kept = any(name == b"cache-control" for name, _ in given)
            more = [] if kept else [(b"cache-control", b"no-store")]
            message = {**message, "headers": [*given, *told, *more]}
        await send(message)

    return guard
