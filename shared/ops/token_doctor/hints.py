"""Near misses: what an issuer or an audience that does not fit was probably meant to be."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from shared.core.errors import Unauthenticated
from shared.core.issuers import Issuer
from shared.ops.token_doctor.told import Question
from shared.ops.token_doctor.words import listed, shown
from shared.steps.claims import texts

_GRAPH = {"00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"}
_ASK = "Let the client ask for it: `resource` (RFC 8707); at Auth0 also `audience`, at Entra ID a scope of the API."
_NOBODY = (
    "A token for nobody in particular could have been sent to any other API, and be replayed here. Let the provider "
    "name this one: an audience mapper (Keycloak), an API (Auth0, Okta, Entra ID), resource binding (Cognito)."
)
_KEYCLOAK = (
    "That is Keycloak's own. Add an audience mapper (included custom audience: the URL of this server) to a client "
    "scope that the client asks for."
)


def meant(said: object, issuers: Sequence[Issuer]) -> Issuer | None:
    """The issuer that was probably meant: one that only differs in form, or the only one there is."""
    if not isinstance(said, str):
        return issuers[0] if len(issuers) == 1 else None
    alike = [issuer for issuer in issuers if _bare(issuer.url) == _bare(said)]
    alike += [issuer for issuer in issuers if urlsplit(issuer.url).netloc == urlsplit(said).netloc]
    return next(iter(alike), issuers[0] if len(issuers) == 1 else None)


def why_not_trusted(said: object, question: Question) -> tuple[str, str]:
    """What is wrong with the issuer of a token."""
    issuers = [provider.issuer for provider in question.providers.values()]
    trusted = listed(issuer.url for issuer in issuers)
    if not isinstance(said, str):
        what = "the token names no issuer" if said is None else "`iss` is no text"
        return f"issuer: {what}; trusted: {trusted}", "Obtain one from a provider that says `iss`."
    text = f"issuer: {shown(said)} is not trusted; trusted: {trusted}"
    near = meant(said, issuers)
    difference = _difference(said, near.url) if near is not None else ""
    if near is not None and difference:
        line = question.line(near, "url", said)
        return f"{text}. They differ in {difference}", f"If it is the same provider, write it as its tokens do:\n{line}"
    return text, _foreign(said)


def why_other_audience(claims: Mapping[str, Any], issuer: Issuer, question: Question) -> tuple[str, str]:
    """What is wrong with the audience of a token."""
    wanted = sorted(question.terms(issuer).audiences, key=lambda one: one != question.resource)
    said = claims.get("aud")
    name = question.server.name
    if said is None:
        return f"audience: the token names none (`aud`); {name} is {listed(wanted)}", _NOBODY
    try:
        named = [said] if isinstance(said, str) else texts(said, "audience")
    except Unauthenticated:
        fix = "It has to be one (RFC 7519 §4.1.3); tell the provider's administrator."
        return "audience: `aud` is neither a text nor a list of texts", fix
    text = f"audience: the token is for {listed(named, 'nobody')}; {name} is {listed(wanted)}"
    return text, _near(named, wanted, question) or _elsewhere(set(named), claims, issuer, question)


def _near(named: Sequence[str], wanted: Sequence[str], question: Question) -> str:
    for one in named:
        if one in question.elsewhere:
            return f"{shown(one)} is {question.elsewhere[one]}."
        for ours in wanted:
            if difference := _difference(one, ours):
                return f"They differ in {difference}; audiences are compared byte for byte. {_ASK}"
    return ""


def _elsewhere(named: set[str], claims: Mapping[str, Any], issuer: Issuer, question: Question) -> str:
    own = {issuer.url, f"{issuer.url.rstrip('/')}/userinfo"}
    client = {said for name in issuer.client_claims if isinstance(said := claims.get(name), str)}
    line = question.line(issuer, "audiences", {question.server.name: min(named, default="")})
    for is_so, advice in (
        (not named, _ASK),
        (named & _GRAPH, "That is Microsoft Graph. Ask for a scope of this API (api://ID/…), and for none of Graph's."),
        (named <= own, f"That is the provider itself: no API was asked for. {_ASK}"),
        (named == {"account"}, _KEYCLOAK),
        (named & client, f"That is the client: this is an ID token, or a token for no API. Send another. {_ASK}"),
    ):
        if is_so:
            return advice
    return f"{_ASK}\nIf the provider calls this server so, and nothing else, say it:\n{line}"


def _difference(one: str, other: str) -> str:
    """How two URLs differ that mean the same to people; nothing if they do not, or in more than form."""
    if one == other:
        return ""
    if one.rstrip("/") == other.rstrip("/"):
        return "the slash at the end"
    if one.lower() == other.lower():
        return "capitals"
    if one.partition("://")[1:] == other.partition("://")[1:] != ("", ""):
        return "http and https"
    return "more than one thing of form: scheme, capitals, slash" if _bare(one) == _bare(other) else ""


def _bare(url: str) -> str:
    return (url.partition("://")[2] or url).lower().rstrip("/")


def _foreign(said: str) -> str:
    host = urlsplit(said).hostname or ""
    if host == "sts.windows.net":
        return (
            "That is a version 1 token of Entra ID. Set api.requestedAccessTokenVersion to 2 in the manifest of the "
            "API (not of the client), and name https://login.microsoftonline.com/TENANT-ID/v2.0 as issuer."
        )
    if host.endswith((".okta.com", ".oktapreview.com")) and "/oauth2/" not in said:
        return (
            "That is Okta's org authorization server, whose tokens are for Okta alone. Use a custom one, whose issuer "
            "is https://…/oauth2/ID."
        )
    return (
        "Obtain a token from a provider that is trusted here; or trust this one, if it is yours "
        "(docs/identity-providers.md): SUITE_ISSUERS__NAME__URL"
    )
