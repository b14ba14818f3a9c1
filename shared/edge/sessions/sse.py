"""Server-sent events (WHATWG HTML, server-sent events) as MCP 2025 uses them."""

HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
PING = b": ping\n\n"
PING_S = 15.0
"""Seconds between pings: below every common idle timeout on the way."""

_RETRY_MS = 500


def event(data: bytes, event_id: str | None) -> bytes:
    """One message; with an id a client can go on after it."""
    named = f"id: {event_id}\n".encode() if event_id else b""
    return b"event: message\n" + named + b"data: " + data + b"\n\n"


def primed(event_id: str) -> bytes:
    """The empty event that gives a client an id to come back with before there is anything to say (2025-11-25)."""
    return f"id: {event_id}\nretry: {_RETRY_MS}\ndata: \n\n".encode()
