"""The sign-in page, the page of refusals, and what every page is made of. They need no script and load nothing."""

import base64
import hashlib
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

FOLDER = Path(__file__).parent / "templates"
_STYLE = (FOLDER / "style.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CHOOSE = Template((FOLDER / "choose.html").read_text("utf-8"))
_SECOND = Template((FOLDER / "second.html").read_text("utf-8"))
_PERSONA = Template((FOLDER / "persona.html").read_text("utf-8"))
_REFUSED = Template((FOLDER / "refused.html").read_text("utf-8"))


def choose(asked: Asked, transaction: str, action: str) -> HTMLResponse:
    """The page on which somebody becomes a persona."""
    content = fill(
        _CHOOSE,
        {
            "action": action,
            "transaction": transaction,
            "client": asked.client.name,
            "host": destination(asked.redirect_uri),
            "resource": asked.resource.uri,
            "scopes": asked.scope or "reading only",
        },
        second=_second(asked),
        personas="".join(_persona(persona, asked) for persona in PERSONAS.values()),
    )
    # browsers hold the redirect that answers a form to form-action too
    return respond(content, 200, f"'self' {origin(asked.redirect_uri)}")


def refused(error: OAuthError) -> HTMLResponse:
    """The page for a request that must not be answered by a redirect."""
    content = fill(_REFUSED, {"error": error.error, "description": error.description})
    return respond(content, error.status, "'none'")


def _second(asked: Asked) -> str:
    if asked.acr == "aal2":
        return fill(_SECOND, {"why": "The program asks for it."}, ticked=" checked disabled")
    return fill(_SECOND, {"why": "Nobody asks for it; it makes your sign-in a stronger one."}, ticked="")


def _persona(persona: Persona, asked: Asked) -> str:
    scopes = asked.resource.grant(asked.scope, persona.scopes)
    return fill(
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


def destination(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    if is_loopback(redirect_uri):
        return f"{parts.netloc} (a program on this computer)"
    return parts.netloc if parts.scheme == "https" else f"{parts.scheme}: (a program on this computer)"


def fill(template: Template, text: Mapping[str, str], **markup: str) -> str:
    return template.substitute({name: escape(value) for name, value in text.items()}, style=_STYLE, **markup)


def respond(content: str, status: int, form_action: str) -> HTMLResponse:
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
