"""This site as a relying party of the provider at which people sign in (OpenID Connect Core §3.1).

What comes of a sign-in is an access token *for this site* (RFC 8707), verified as any server verifies its callers'
tokens; the id token only has to fit it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from authlib.oauth2.rfc6749.parameters import (
    prepare_grant_uri,  # pyright: ignore[reportUnknownVariableType] Authlib has no types
)
from authlib.oauth2.rfc7636 import (
    create_s256_code_challenge,  # pyright: ignore[reportUnknownVariableType] Authlib has no types
)

from shared.core.backend import RoundTrip
from shared.core.errors import Unavailable
from shared.core.issuers import Issuer
from shared.core.settings import Settings
from shared.edge.web.endpoints import Endpoints, Metadata
from shared.edge.web.refused import Refused
from shared.state.client_assertion import Proof, authenticate
from shared.state.http import BadAnswer, post_form_any

_OK = 200
_GRANT_URI: Any = prepare_grant_uri  # pyright: ignore[reportUnknownVariableType] as above
_ANSWER_BYTES = 64 * 1024
OFFLINE = "offline_access"


@dataclass(frozen=True)
class Tokens:
    """What the provider gave; nothing of it is ever shown to the browser."""

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    identity: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Asked:
    """A sign-in that begins.

    Attributes:
        acr: How strongly, at least; ours to say, see `Issuer.words_for`.
        max_age_s: How long ago it may have been.
    """

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    acr: str | None = None
    max_age_s: int | None = None


class RelyingParty:
    """One site at one provider.

    Args:
        issuer: The provider.
        settings: With `console_client_id` and, for a confidential client, `console_client_secret`.
        resource: The site's own URL, which its access tokens are for.
        server: Its name, by which the provider may call it another audience.
        callback: Its redirect URI.
        scopes: What it asks for, in our words.
        client: Used for the provider alone; the caller closes it.
        clock: Seconds that never run backwards.
    """

    def __init__(
        self,
        issuer: Issuer,
        settings: Settings,
        *,
        server: str,
        resource: str,
        callback: str,
        scopes: Sequence[str],
        client: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        secret = settings.console_client_secret
        self.client_id = settings.console_client_id
        self._ours = issuer.model_copy(
            update={"client_id": self.client_id, "client_secret": secret, "client_key": None}
        )
        self._public = secret is None
        self._target = issuer.exchange_for, issuer.audiences.get(server, resource)
        self._callback = callback
        self._scopes = tuple(_told(scope, issuer) for scope in scopes)
        self._client = client
        self._metadata = Metadata(
            issuer.url, client, place=issuer.metadata_url, plain_http=settings.plain_http, clock=clock
        )

    async def where(self, asked: Asked) -> str:
        """The address at which to sign in (PKCE, nonce, RFC 8707, RFC 9470).

        Raises:
            Unavailable: The provider does not say where.
        """
        endpoints = await self._endpoints()
        offline = (OFFLINE,) if OFFLINE in endpoints.scopes else ()
        name, audience = self._target
        challenge = str(create_s256_code_challenge(asked.verifier))  # pyright: ignore[reportUnknownArgumentType] as above
        wanted = {
            "nonce": asked.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            name: audience,
            "acr_values": " ".join(self._ours.words_for(asked.acr)) if asked.acr else None,
            "max_age": None if asked.max_age_s is None else str(asked.max_age_s),
        }
        where = _GRANT_URI(
            endpoints.authorization,
            self.client_id,
            "code",
            redirect_uri=self._callback,
            scope=" ".join(("openid", *offline, *self._scopes)),
            state=asked.state,
            **{key: value for key, value in wanted.items() if value is not None},
        )
        return str(where)

    async def check_issuer(self, told: str | None) -> None:
        """Raise unless the answer is of our provider (RFC 9207 §2.4).

        Raises:
            Refused: It names another, or none though the provider says that it does.
        """
        if told is None and not (await self._endpoints()).tells_issuer:
            return
        if told != self._ours.url:
            raise Refused("sign_in_issuer", 400, "This answer is not of our sign-in provider. Sign in again.")

    async def redeem(self, code: str, verifier: str) -> Tokens:
        """The tokens for a code.

        Raises:
            Refused: The provider will not give any.
            Unavailable: It does not answer.
        """
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        tokens = await self._ask({**form, "redirect_uri": self._callback, **dict([self._target])})
        if tokens is None:
            raise Refused("sign_in_code", 400, "The sign-in was used already, or took too long. Sign in again.")
        return tokens

    async def refresh(self, token: str) -> Tokens | None:
        """New tokens for a refresh token; None if it is of no use any more.

        Raises:
            Unavailable: The provider does not answer.
        """
        return await self._ask({"grant_type": "refresh_token", "refresh_token": token, **dict([self._target])})

    async def _ask(self, form: dict[str, str]) -> Tokens | None:
        url = self._ours.token_url or (await self._endpoints()).token
        proof = Proof(form={"client_id": self.client_id}) if self._public else await authenticate(self._ours, url)
        try:
            with RoundTrip("sign-in", form["grant_type"]):
                status, told = await post_form_any(
                    self._client, url, {**form, **proof.form}, proof.headers, _ANSWER_BYTES
                )
        except (httpx.HTTPError, httpx.InvalidURL, BadAnswer, TimeoutError):
            raise _away() from None
        if status >= 500:  # noqa: PLR2004 - RFC 9110 §15.6
            raise _away()
        return _tokens(told) if status == _OK else None

    async def _endpoints(self) -> Endpoints:
        try:
            return await self._metadata.endpoints()
        except (httpx.HTTPError, httpx.InvalidURL, BadAnswer, TimeoutError):
            raise _away() from None


def _tokens(told: dict[str, Any]) -> Tokens | None:
    access, refresh, identity = (told.get(name) for name in ("access_token", "refresh_token", "id_token"))
    if not isinstance(access, str) or str(told.get("token_type", "")).lower() != "bearer":
        return None
    return Tokens(
        access, refresh if isinstance(refresh, str) else None, identity if isinstance(identity, str) else None
    )


def _told(scope: str, issuer: Issuer) -> str:
    """The provider's name of a scope of ours."""
    named = {ours: theirs for theirs, ours in issuer.scope_names.items()}
    return f"{issuer.scope_prefix}{named.get(scope, scope)}"


def _away() -> Unavailable:
    return Unavailable("The sign-in provider does not answer. Try again in a moment.")
