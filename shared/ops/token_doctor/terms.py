"""What keeps a token from counting here although it is its issuer's: its kind, and its times."""

from collections.abc import Mapping
from typing import Any

from shared.core.errors import Unauthenticated
from shared.core.issuers import Issuer
from shared.ops.token_doctor.told import Question
from shared.ops.token_doctor.words import listed, shown, span
from shared.steps.claims import seconds
from shared.steps.tokens import Jwt
from shared.steps.validity import Terms

_DAY_S = 86_400
_CLOCKS = "Compare the clocks: timedatectl or chronyc tracking here, the Date of the provider's answers there."
_SHORTER = (
    "Shorten it at the provider: Keycloak, realm settings, tokens; Auth0, the API's maximum lifetime (else a day); "
    "Okta, the rule of the access policy. Entra ID gives 60 to 90 minutes, and more to clients with CAE."
)


def why_other_kind(reason: str, jwt: Jwt | None, terms: Terms) -> tuple[str, str]:
    """What kind of token this is instead of an access token that whoever holds it may use."""
    if reason == "bound":
        fix = "Let the client ask for a plain bearer token: switch DPoP and certificate-bound tokens off for it."
        return "type: the token is bound to a key of the client (`cnf`), which cannot be checked here", fix
    if jwt is None:
        return "type: the provider says that this is no access token (`typ`)", "Send the access token."
    typ, claims = jwt.header.get("typ"), jwt.claims
    if str(claims.get("typ", "")).lower() in {"id", "refresh", "offline", "logout"}:
        return (
            f"type: the claim `typ` says {shown(claims['typ'])}",
            "Send the access token, not the ID or refresh token.",
        )
    if (typ or "none").lower() in terms.types:
        text = "type: this is an ID token: it has `nonce`, `at_hash` or the like"
        return text, "Send the access token. If it is one, let the provider say so: `typ` at+jwt (RFC 9068)."
    said = f"`typ` is {shown(typ)}" if typ else "there is no `typ` in the header"
    fix = (
        "If its access tokens are like that (Okta's have none), say so: SUITE_ISSUERS__NAME__TOKEN_TYPES. "
        "`application/okta-internal-at+jwt` is of Okta's org authorization server, whose tokens are for Okta alone."
    )
    return f"type: {said}; accepted: {listed(sorted(terms.types))}", fix


def why_not_now(claims: Mapping[str, Any], terms: Terms, issuer: Issuer, question: Question) -> dict[str, Any]:
    """What to say of the times, by what the verifier finds: a reason, or `ok`."""
    try:
        issued, ends = seconds(claims, "iat"), seconds(claims, "exp")
        begins = max(issued, seconds(claims, "nbf") if "nbf" in claims else issued)
    except Unauthenticated:
        bad = [name for name in ("iat", "exp", "nbf") if not _is_time(claims, name)]
        text = f"times: {' and '.join(bad)} missing, or no number of seconds since 1970"
        return {"claims": (text, "The provider has to state them (RFC 9068 §2.2); tell its administrator.")}
    now = question.now()
    early, lives = begins - now, ends - issued
    told = f"times: issued {span(now - issued)} ago, ends in {span(ends - now)}, lives {span(lives)}"
    ahead = f"times: it begins in {span(early)}; clocks may differ by {terms.skew_s} s (SUITE_CLOCK_SKEW_S)"
    longer = question.line(issuer, "max_lifetime_s", str(int(lives)))
    long = f"times: it lives {span(lives)} ({lives:.0f} s); {terms.longest_s} s are the most"
    fix = (
        f"{_SHORTER}\nOr accept it:\n{longer}"
        if lives <= _DAY_S
        else f"{_SHORTER} Longer than a day is never accepted."
    )
    return {
        "ok": ("ok", told if ends > now else f"times: it lived {span(lives)}"),
        "not_yet_valid": (ahead, _CLOCKS),
        "lifetime": (long, fix)
        if lives > 0
        else ("times: it ends before it begins", "Tell the provider's administrator."),
    }


def expired(claims: Mapping[str, Any], question: Question) -> tuple[str, str] | None:
    """What to say if the token has ended, by the verifier's measure.

    Raises:
        Unauthenticated: It does not say when it ends.
    """
    skew_s = question.settings.clock_skew_s
    over_s = question.now() - int(seconds(claims, "exp"))
    if over_s < skew_s:
        return None
    text = f"end: it ended {span(over_s)} ago; clocks may differ by {skew_s} s (SUITE_CLOCK_SKEW_S)"
    return text, f"Obtain a new one; the client should use its refresh token. If it is new: {_CLOCKS}"


def _is_time(claims: Mapping[str, Any], name: str) -> bool:
    try:
        return (name == "nbf" and name not in claims) or seconds(claims, name) >= 0
    except Unauthenticated:
        return False
