"""What a provider answers when it is asked for its metadata, its keys, and its word on tokens."""

import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from shared.core.errors import Misconfigured
from shared.core.issuers import Issuer
from shared.ops.token_doctor.told import Question, Told
from shared.ops.token_doctor.words import shown, span
from shared.state.client_assertion import authenticate
from shared.state.discovery import Discovery, metadata_urls
from shared.state.http import BadAnswer, get_json, post_form_any
from shared.steps.signing_keys import SigningKey, usable

_CLOCKS_MAY_DIFFER_S = 5
_LISTED = 12
_UNREACHED = (
    "Try it from this machine with curl. Behind a proxy set HTTPS_PROXY; for a certificate of your own authority "
    "SSL_CERT_FILE; in a cluster look at its network policy."
)


@dataclass
class Probe:
    """A provider, asked as the verifier asks it, but so that what goes wrong can be told.

    Attributes:
        keys: What it publishes, as far as we can use them; None if they could not be had.
        ahead_s: How far its clock is ahead of ours, as its answers say; None if they do not.
    """

    question: Question
    issuer: Issuer
    keys: list[SigningKey] | None = None
    ahead_s: float | None = None
    _why_not: list[str] = field(default_factory=list[str])
    _unreached: bool = False

    async def look(self, told: Told) -> None:
        """Find the metadata and the keys, and tell of them."""
        self.question.client.event_hooks = {"response": [self._note_date]}
        url = self.issuer.jwks_url or await self._endpoint("jwks_uri")
        if url is None:
            told.add("warning", f"provider: no metadata of {self.issuer.url}: {'; '.join(self._why_not)}", self._mend())
        elif (found := await self._get(url)) is not None:
            self._tell_keys(told, url, found)
        else:
            told.add("warning", f"provider: no keys: {'; '.join(self._why_not)}", self._mend())
        if self.ahead_s is not None and abs(self.ahead_s) > _CLOCKS_MAY_DIFFER_S:
            which = "ahead of" if self.ahead_s > 0 else "behind"
            text = f"clocks: the provider's is {span(self.ahead_s)} {which} this machine's, by the Date of its answers"
            told.add("warning", text, "One of them is wrong. On this machine: timedatectl, or chronyc tracking.")

    async def why_silent(self) -> str:
        """Why the provider says nothing about tokens, asked about one that is none."""
        url = self.issuer.introspection_url or await self._endpoint("introspection_endpoint")
        if url is None:
            return f"its introspection endpoint is not known: {'; '.join(self._why_not)}"
        try:
            proof = await authenticate(self.issuer, url)
            form = {**proof.form, "token": "mcp-suite-doctor"}
            status, _ = await post_form_any(self.question.client, url, form, proof.headers)
        except (httpx.HTTPError, httpx.InvalidURL, BadAnswer, Misconfigured) as error:
            return _said(url, error)
        return f"{shown(url)} answers with status {status}" + (": our credentials are refused" if status == 401 else "")  # noqa: PLR2004 - RFC 6749 §5.2

    def _tell_keys(self, told: Told, url: str, found: dict[str, Any]) -> None:
        try:
            self.keys = list(usable(found))
        except BadAnswer as error:
            told.add("warning", f"provider: {shown(url)} holds no keys: {error}", self._mend())
            return
        left_out = len(found["keys"]) - len(self.keys)
        more = f"; {left_out} more are of no use here (for encryption, symmetric, too short)" if left_out else ""
        names = ", ".join(f"{shown(key.kid or '')} ({key.algorithm or key.kind})" for key in self.keys[:_LISTED])
        count = f"{len(self.keys)} key{'' if len(self.keys) == 1 else 's'}"
        told.add("ok", f"provider: it answers; {count} at {shown(url)}: {names or 'none'}{more}")

    async def _endpoint(self, name: str) -> str | None:
        discovery = Discovery(self.issuer.url, self.question.client, plain_http=self.question.settings.plain_http)
        for url in metadata_urls(self.issuer.url):
            found = await self._get(url)
            if found is None and self._unreached:
                return None
            if found is None:
                continue
            said, endpoint = found.get("issuer"), found.get(name)
            if said != self.issuer.url:
                self._why_not.append(f"{shown(url)} is of {shown(said)}, which is not the issuer byte for byte")
            elif not isinstance(endpoint, str):
                self._why_not.append(f"{shown(url)} names no {name}")
            elif not discovery.is_secure(endpoint):
                self._why_not.append(f"{shown(url)} names a {name} without TLS")
            else:
                return endpoint
        return None

    async def _get(self, url: str) -> dict[str, Any] | None:
        try:
            return await get_json(self.question.client, url)
        except (httpx.HTTPError, httpx.InvalidURL, BadAnswer) as error:
            self._unreached = not isinstance(error, BadAnswer)
            self._why_not.append(_said(url, error))
            return None

    async def _note_date(self, answer: httpx.Response) -> None:
        try:
            date = parsedate_to_datetime(answer.headers["date"]).timestamp()
            self.ahead_s = date + float(answer.headers.get("age", "0")) - time.time()
        except (KeyError, ValueError):
            return

    def _mend(self) -> str:
        if self.issuer.url == self.question.settings.mock_issuer:
            return "This is the mock provider: `mcp-suite up` runs it."
        line = self.question.setting(self.issuer, "jwks_url")
        return f"{_UNREACHED}\nIf its keys are elsewhere than its metadata say, name the URL with {line}."


def _said(url: str, error: Exception) -> str:
    """A failure in our own words; what libraries say is only repeated where it is about the connection."""
    if isinstance(error, BadAnswer | Misconfigured):
        return f"{shown(url)}: {error}"
    why = f" ({shown(str(error))})" if isinstance(error, httpx.ConnectError) else ""
    return f"{shown(url)} is not reached: {type(error).__name__}{why}"
