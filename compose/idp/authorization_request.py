import re

from compose.idp.clients import Client
from compose.idp.grants import OPENID, Asked
from compose.idp.parameters import Parameters
from compose.idp.refusals import OAuthError
from compose.idp.resources import Resource, Resources

CONTEXTS = ("aal1", "aal2")
"""Values of `acr`, the weaker first: a password, two factors (after NIST SP 800-63B)."""
PROMPTS = ("none", "login", "consent", "select_account")
_S256 = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of 32 bytes
_SECONDS = re.compile(r"[0-9]{1,9}")
_UNSUPPORTED = ("request", "request_uri", "registration")


def read(parameters: Parameters, client: Client, redirect_uri: str, resources: Resources, browser: str) -> Asked:
    """The authorization request (RFC 6749 §4.1.1, RFC 7636, RFC 8707, OpenID Connect Core §3.1.2.1).

    Every sign-in here is a fresh one. So `prompt=login` and any `max_age` are kept by themselves, and
    `prompt=none` never can be.

    Raises:
        OAuthError: To be told to the client by redirect.
    """
    if parameters.need("response_type") != "code":
        raise OAuthError("unsupported_response_type", "Use response_type=code.")
    if parameters.get("response_mode") not in {None, "query"}:
        raise OAuthError("invalid_request", "Use response_mode=query.")
    for name in _UNSUPPORTED:
        if parameters.get(name) is not None:
            raise OAuthError(f"{name}_not_supported", f"Send plain parameters instead of {name}.")
    challenge = parameters.need("code_challenge")
    if parameters.get("code_challenge_method") != "S256" or not _S256.fullmatch(challenge):
        raise OAuthError("invalid_request", "Use PKCE with code_challenge_method=S256.")
    return Asked(
        client=client,
        redirect_uri=redirect_uri,
        state=parameters.get("state"),
        challenge=challenge,
        resource=_resource(parameters, resources),
        scope=parameters.get("scope"),
        nonce=parameters.get("nonce"),
        acr=_context(parameters),
        fresh_consent="consent" in _prompts(parameters),
        login_hint=parameters.get("login_hint") or parameters.get("persona"),
        browser=browser,
    )


def _resource(parameters: Parameters, resources: Resources) -> Resource:
    """Without one named, a request for nothing but an identity is for us."""
    words = set((parameters.get("scope") or "").split())
    if not parameters.resources and OPENID in words and not words & set(resources.scopes):
        return resources.identity
    return resources.named(parameters.resources)


def _prompts(parameters: Parameters) -> set[str]:
    """What of `prompt` we know; the rest may be ignored (OpenID Connect Core §3.1.2.1)."""
    max_age = parameters.get("max_age")
    if max_age is not None and not _SECONDS.fullmatch(max_age):
        raise OAuthError("invalid_request", "Send max_age as a number of seconds.")
    prompts = set((parameters.get("prompt") or "").split())
    if prompts == {"none"}:
        raise OAuthError("login_required", "Nobody stays signed in here: ask without prompt=none.")
    if "none" in prompts:
        raise OAuthError("invalid_request", "prompt=none stands alone.")
    return prompts


def _context(parameters: Parameters) -> str | None:
    """The first of `acr_values` that we know (RFC 9470 §4); None if it was not sent."""
    wanted = (parameters.get("acr_values") or "").split()
    known = [value for value in wanted if value in CONTEXTS]
    if wanted and not known:
        raise OAuthError("unmet_authentication_requirements", f"acr_values we know: {' '.join(CONTEXTS)}.")
    return known[0] if known else None
