"""The page on which somebody who signed in decides what a program may do."""

from string import Template
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

from compose.idp.clients import Client
from compose.idp.grants import OFFLINE, OPENID, SignedIn
from compose.idp.page import FOLDER, destination, fill, respond
from compose.idp.redirects import origin

TICK = "allow:"
"""Before a scope, it names the field that grants it."""
_CONSENT = Template((FOLDER / "consent.html").read_text("utf-8"))
_SCOPE = Template((FOLDER / "scope.html").read_text("utf-8"))
_WARNING = Template((FOLDER / "warning.html").read_text("utf-8"))
_MEANINGS = {
    OPENID: "Learn who you are.",
    OFFLINE: "Stay connected for up to 7 days, without sending you here again.",
    "read": "Read what you may read there.",
    "write": "Read, create and change what you may there.",
    "pii": "See personal data.",
    "admin": "Do everything there.",
    "export": "Export many records at once.",
    "send": "Write and send.",
    "decide": "Decide on what others asked for.",
}


def consent(somebody: SignedIn, transaction: str, action: str) -> HTMLResponse:
    """Everything on offer is ticked; what is unticked is not granted."""
    asked = somebody.asked
    warning = _warning(asked.client, asked.redirect_uri)
    content = fill(
        _CONSENT,
        {
            "action": action,
            "transaction": transaction,
            "persona": somebody.persona.name,
            "tenant": somebody.persona.tenant,
            "client": asked.client.name,
            "publisher": asked.client.publisher or "unknown: the program registered itself",
            "host": destination(asked.redirect_uri),
            "resource": asked.resource.uri,
        },
        warning=fill(_WARNING, {"warning": warning}) if warning else "",
        scopes="".join(_scope(scope) for scope in somebody.offered),
    )
    # browsers hold the redirect that answers a form to form-action too
    return respond(content, 200, f"'self' {origin(asked.redirect_uri)}")


def _scope(scope: str) -> str:
    meaning = _MEANINGS.get(scope) or _MEANINGS.get(scope.partition(":")[2], "")
    return fill(_SCOPE, {"name": f"{TICK}{scope}", "scope": scope, "meaning": meaning})


def _warning(client: Client, redirect_uri: str) -> str:
    """What a name proves: nothing, or who published it, but on this computer not who uses it (MCP, localhost risks)."""
    if client.publisher is None:
        return "Nobody has checked this program's name. Allow it only if you started it yourself just now."
    if urlsplit(redirect_uri).scheme != "https":
        return (
            f"{client.publisher} describes this program, but any program on this computer could pretend to be it. "
            "Allow it only if you started it yourself just now."
        )
    return ""
