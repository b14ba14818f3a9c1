"""The two pages a person sees. They need no script and load nothing."""

import base64
import hashlib
import unicodedata
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

from compose.idp.grants import Asked
from compose.idp.personas import PERSONAS, Persona
from compose.idp.redirects import is_loopback, origin
from compose.idp.refusals import OAuthError

_FOLDER = Path(__file__).parent / "templates"
_STYLE = (_FOLDER / "style.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CHOOSE = Template((_FOLDER / "choose.html").read_text("utf-8"))
_PERSONA = Template((_FOLDER / "persona.html").read_text("utf-8"))
_REFUSED = Template((_FOLDER / "refused.html").read_text("utf-8"))


def choose(asked: Asked, transaction: str, action: str) -> HTMLResponse:
    """The page on which somebody becomes a persona."""
    content = _fill(
        _CHOOSE,
        {
            "action": action,
            "transaction": transaction,
            "client": visible(asked.client_name),
            "host": _destination(asked.redirect_uri),
            "resource": asked.resource.uri,
            "scopes": asked.scope or "reading only",
        },
        personas="".join(_persona(persona, asked) for persona in PERSONAS.values()),
    )
    # browsers hold the redirect that answers a form to form-action too
    return _respond(content, 200, f"'self' {origin(asked.redirect_uri)}")


def refused(error: OAuthError) -> HTMLResponse:
    """The page for a request that must not be answered by a redirect."""
    content = _fill(_REFUSED, {"error": error.error, "description": error.description})
    return _respond(content, error.status, "'none'")


def visible(name: str) -> str:
    """A self-chosen name without what could change how the page around it reads."""
    shown = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    return " ".join(shown.split())[:80] or "a program without a name"


def _persona(persona: Persona, asked: Asked) -> str:
    scopes = asked.resource.grant(asked.scope, persona.scopes)
    return _fill(
        _PERSONA,
        {
            "key": persona.key,
            "name": persona.name,
            "summary": persona.summary,
            "tenant": persona.tenant,
            "scopes": " ".join(scopes) or "none of what is asked for",
        },
        focus=" autofocus" if asked.login_hint in {persona.key, persona.subject} else "",
    )


def _destination(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    if is_loopback(redirect_uri):
        return f"{parts.netloc} (a program on this computer)"
    return parts.netloc if parts.scheme == "https" else f"{parts.scheme}: (a program on this computer)"


def _fill(template: Template, text: Mapping[str, str], **markup: str) -> str:
    return template.substitute({name: escape(value) for name, value in text.items()}, style=_STYLE, **markup)


def _respond(content: str, status: int, form_action: str) -> HTMLResponse:
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {form_action}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
        # Not no-referrer: browsers would then send `Origin: null` with the form, which our edge refuses.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    return HTMLResponse(content, status, headers)
