"""The sink's pages: what came, for people and as JSON. Nothing can be done with them but look."""

from email.message import EmailMessage
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from compose.smtp.sink import Kept, Sink

PATH = "/mail-sink"

_STYLE = """<style>body{font:16px/1.5 system-ui;max-width:64rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem;border-bottom:1px solid #8886}
pre{white-space:pre-wrap;overflow-wrap:anywhere}iframe{width:100%;height:32rem;border:1px solid #8886;background:#fff}
</style>"""
_GUARDED = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def routes(sink: Sink) -> list[Route]:
    """Pages under `/mail-sink`; HTML of mails is shown in a sandboxed frame that can do nothing and load nothing."""

    async def every(_request: Request) -> Response:
        rows = "".join(_row(mail) for mail in reversed(sink.mails))
        table = f"<table><tr><th>at</th><th>from</th><th>to</th><th>subject</th></tr>{rows}</table>"
        return _page("Mails that were sent to nobody", table if rows else "<p>None yet.</p>")

    async def as_json(_request: Request) -> Response:
        return JSONResponse({"mails": [_told(mail) for mail in sink.mails]}, headers=_GUARDED)

    async def one(request: Request) -> Response:
        mail = sink.found(request.path_params["number"])
        if mail is None:
            return PlainTextResponse("No such mail, or no longer", 404, headers=_GUARDED)
        return _page(_subject(mail), _whole(mail))

    async def raw(request: Request) -> Response:
        mail = sink.found(request.path_params["number"])
        if mail is None:
            return PlainTextResponse("No such mail, or no longer", 404, headers=_GUARDED)
        return PlainTextResponse(mail.content, headers=_GUARDED)

    return [
        Route(PATH, every),
        Route(f"{PATH}/mails.json", as_json),
        Route(f"{PATH}/{{number:int}}", one),
        Route(f"{PATH}/{{number:int}}.eml", raw),
    ]


def _told(mail: Kept) -> dict[str, Any]:
    message = mail.message
    return {
        "number": mail.number,
        "at": mail.at.isoformat(),
        "message_id": mail.message_id,
        "envelope": {"from": mail.sender, "to": list(mail.recipients)},
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": _part(message, "plain"),
        "html": _part(message, "html"),
        "attachments": [part.get_filename() or part.get_content_type() for part in message.iter_attachments()],
    }


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else None


def _row(mail: Kept) -> str:
    to = escape(", ".join(mail.recipients)[:200])
    link = f'<a href="{PATH}/{mail.number}">{escape(_subject(mail))}</a>'
    return f"<tr><td>{mail.at:%H:%M:%S}</td><td>{escape(mail.sender)}</td><td>{to}</td><td>{link}</td></tr>"


def _subject(mail: Kept) -> str:
    return str(mail.message["Subject"] or "(no subject)")


def _whole(mail: Kept) -> str:
    told = _told(mail)
    headers = "\n".join(f"{name}: {value}" for name, value in told["headers"])
    shown = [f"<p><a href='{PATH}'>All</a> · <a href='{PATH}/{mail.number}.eml'>as it came</a></p>"]
    shown.append(f"<h2>Headers</h2><pre>{escape(headers)}</pre>")
    if told["text"] is not None:
        shown.append(f"<h2>Text</h2><pre>{escape(told['text'])}</pre>")
    if told["html"] is not None:
        shown.append(f'<h2>HTML</h2><iframe sandbox srcdoc="{escape(told["html"], quote=True)}"></iframe>')
    if told["attachments"]:
        shown.append(f"<h2>Attachments</h2><p>{escape(', '.join(told['attachments']))}</p>")
    return "".join(shown)


def _page(title: str, body: str) -> Response:
    named = escape(title)
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{named}</title>{_STYLE}"
    return HTMLResponse(f"{head}<h1>{named}</h1>{body}", headers=_GUARDED)
