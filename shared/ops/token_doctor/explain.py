"""Why a token is accepted or refused: the verifier's questions, in its order, each answered by its own parts.

What it refuses for is not the end here: as far as the rest can be judged it is, so that all that is wrong is told.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from shared.core.errors import Unauthenticated, Unavailable
from shared.ops.token_doctor.claims import Claims
from shared.ops.token_doctor.form import described, why_not_parsed, why_unread
from shared.ops.token_doctor.hints import meant, why_not_trusted, why_other_audience
from shared.ops.token_doctor.provider import Probe
from shared.ops.token_doctor.terms import expired, why_not_now, why_other_kind
from shared.ops.token_doctor.told import UNAVAILABLE, Question, Told
from shared.ops.token_doctor.words import listed, shown
from shared.steps.introspection import Introspection
from shared.steps.providers import Provider
from shared.steps.tokens import Jwt, looks_signed, parse
from shared.steps.validity import check_kind

_UNREAD = {"missing", "scheme", "malformed"}
_SAYS_NOTHING = (
    "Are SUITE_ISSUERS__NAME__INTROSPECTION_URL, CLIENT_ID and CLIENT_SECRET (or CLIENT_KEY) those the provider knows, "
    "and may this client introspect there?"
)
_INACTIVE = (
    "It ended, it was revoked, or it is another provider's. Keycloak also says so where our client is not in the "
    "token's `aud`, and Okta where the token is of another authorization server. Obtain a new one."
)


async def explain(question: Question, token: str, verdict: str) -> Told:
    """What the verifier finds, up to what is stopped here.

    Args:
        question: What the token is looked at for.
        token: As its provider issued it.
        verdict: What the verifier says of it; where it cannot even be read, there is nothing else to go by.
    """
    told = Told()
    if verdict in _UNREAD:
        told.refused(verdict, *why_unread(verdict, token))
    elif looks_signed(token):
        await _signed(told, question, token)
    else:
        await _opaque(told, question, token)
    return told


async def _signed(told: Told, question: Question, token: str) -> None:
    jwt = told.held(lambda: parse(token), lambda reason: why_not_parsed(token, reason))
    if jwt is None:
        return
    told.add("ok", f"form: a JWT of {len(token)} characters")
    told.add("ok", described(jwt.header))
    provider = _provider(told, question, jwt.claims.get("iss"))
    if provider is None:
        return
    probe = Probe(question, provider.issuer)
    await _signature(told, question, provider, probe, jwt)
    terms = question.terms(provider.issuer)
    if told.passes(lambda: terms.check_type(jwt.header, jwt.claims), lambda why: why_other_kind(why, jwt, terms)):
        told.add("ok", "type: an access token, bound to no key")
    _judge(told, question, provider, jwt.claims)
    if provider.introspection is not None and provider.issuer.introspect == "always":
        await _ask(told, provider.introspection, probe, token)
    _end(told, question, jwt.claims)


def _provider(told: Told, question: Question, said: object) -> Provider | None:
    """The token's provider, or the one that was probably meant."""
    provider = question.providers.get(said) if isinstance(said, str) else None
    if provider is not None:
        told.add("ok", f"issuer: {provider.issuer.url} is trusted")
        return provider
    told.refused("issuer", *why_not_trusted(said, question))
    near = meant(said, [one.issuer for one in question.providers.values()])
    if near is None:
        told.add("note", "All else depends on the issuer, and was not looked at")
        return None
    told.add("note", f"The rest is judged as if the token were from {near.url}")
    return question.providers[near.url]


async def _signature(told: Told, question: Question, provider: Provider, probe: Probe, jwt: Jwt) -> None:
    terms = question.terms(provider.issuer)
    await probe.look(told)
    text = f"algorithm: {shown(jwt.algorithm)} is not accepted; accepted: {listed(sorted(terms.algorithms))}"
    fix = f"Let the provider sign with one of these. The setting is {question.setting(provider.issuer, 'algorithms')}."
    if not told.passes(lambda: terms.check_algorithm(jwt.algorithm), lambda _: (text, fix)):
        told.add("note", "The signature was not checked, for its algorithm")
        return
    try:
        key = await provider.keys.find(jwt.algorithm, jwt.kid)
    except Unavailable:
        text = "signature: it cannot be checked while the provider's keys cannot be had; callers get a 503"
        told.refused(UNAVAILABLE, text, "Mend what the warning above says, then ask again.")
        return
    if key is None:
        told.refused("key", *_why_no_key(jwt, probe))
    elif jwt.is_signed_with(key):
        told.add("ok", f"signature: valid, by {shown(key.kid or 'a key without id')} ({key.kind})")
    else:
        fix = (
            "It was changed on the way, or another environment signs under the same key id. Obtain a new token. One of "
            "Entra ID with a `nonce` in its header is Microsoft Graph's own, and nobody else can check it."
        )
        told.refused("signature", f"signature: it is not by {shown(key.kid or 'that key')}", fix)


def _why_no_key(jwt: Jwt, probe: Probe) -> tuple[str, str]:
    named = [key for key in probe.keys or [] if key.kid == jwt.kid]
    if jwt.kid is None or len(named) > 1:
        text = f"key: more than one key, or none, fits {jwt.algorithm}, and the token's `kid` does not say which"
        return text, "Let the provider put a `kid` into the header, another one for each key."
    if named:
        may = ", ".join(key.algorithm or key.kind for key in named)
        return f"key: {shown(jwt.kid)} is for {may}, and the token says {jwt.algorithm}", "Obtain a new token."
    fix = (
        "It is a token of another environment, realm or authorization server, or its key was withdrawn: obtain a new "
        "one, and compare its `iss` with where it came from. Keys that are new are fetched at once."
    )
    return f"key: {shown(jwt.kid)} is not among the keys the issuer publishes", fix


async def _opaque(told: Told, question: Question, token: str) -> None:
    """Each provider that is asked about such tokens in turn, as the verifier does."""
    asked = [provider for provider in question.providers.values() if provider.introspection is not None]
    told.add("ok", f"form: no JWT, of {len(token)} characters: its provider is asked about it")
    away = ""
    for provider in asked:
        assert provider.introspection is not None  # noqa: S101 - as chosen above
        try:
            claims = await provider.introspection.ask(token, sha256(token.encode()).digest())
        except Unavailable:
            why = await Probe(question, provider.issuer).why_silent()
            away = f"introspection: {provider.issuer.url} cannot tell: {why}"
            told.add("warning", away)
            continue
        if claims is not None:
            _told(told, question, provider, claims)
            return
        told.add("note", f"introspection: {provider.issuer.url} says that the token is not active")
    if away:
        told.refused(UNAVAILABLE, "introspection: no provider could tell; callers get a 503", _SAYS_NOTHING)
    else:
        told.refused("inactive", "introspection: no provider says that the token is active", _INACTIVE)


def _told(told: Told, question: Question, provider: Provider, claims: Mapping[str, Any]) -> None:
    told.add("ok", f"introspection: {provider.issuer.url} says that the token is active")
    if claims.get("iss", provider.issuer.url) != provider.issuer.url:
        told.refused("issuer", *why_not_trusted(claims["iss"], question))
    terms = question.terms(provider.issuer)
    if told.passes(lambda: check_kind(claims), lambda why: why_other_kind(why, None, terms)):
        told.add("ok", "type: an access token, bound to no key")
    _judge(told, question, provider, {"iat": question.now(), **claims})
    _end(told, question, claims)


def _judge(told: Told, question: Question, provider: Provider, claims: Mapping[str, Any]) -> None:
    terms = question.terms(provider.issuer)
    wrong = why_other_audience(claims, provider.issuer, question)
    if told.passes(lambda: terms.check_audience(claims), lambda _: wrong):
        told.add("ok", f"audience: {question.server.name} is meant")
    now = question.now()
    said = why_not_now(claims, terms, provider.issuer, question)
    if told.passes(lambda: terms.check_times(claims, now), lambda reason: said[reason]):
        told.add(*said["ok"])
    Claims(told, question, provider.issuer, claims).tell()


async def _ask(told: Told, introspection: Introspection, probe: Probe, token: str) -> None:
    try:
        if await introspection.ask(token, sha256(token.encode()).digest()) is None:
            told.refused("inactive", "introspection: the provider says that the token is not active", _INACTIVE)
        else:
            told.add("ok", "introspection: the provider says that the token is active")
    except Unavailable:
        text = f"introspection: {await probe.why_silent()}; callers get a 503"
        told.refused(UNAVAILABLE, text, _SAYS_NOTHING)


def _end(told: Told, question: Question, claims: Mapping[str, Any]) -> None:
    try:
        over = expired(claims, question)
    except Unauthenticated:
        return  # told with the claims
    if over is not None:
        told.refused("expired", *over)
