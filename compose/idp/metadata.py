from collections.abc import Sequence
from typing import Any

from compose.idp.authorization_request import CONTEXTS, PROMPTS
from compose.idp.client_assertions import ALGORITHMS, METHOD
from compose.idp.exchange import EXCHANGE
from compose.idp.grants import OPENID

_CONFIDENTIAL = ["client_secret_basic", "client_secret_post", METHOD]
_ENDPOINTS = ("token", "revocation", "introspection")
_CLAIMS = ["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "nonce", "at_hash", "sid", "name", "tenant", "roles"]


def describe(issuer: str, scopes: Sequence[str], algorithm: str) -> dict[str, Any]:
    """The provider's metadata: RFC 8414 and OpenID Connect Discovery in one document.

    `offline_access` is understood but not listed: clients would ask for consent with every sign-in because of it,
    and those that registered for refresh tokens get them anyway.
    """
    base = issuer.rstrip("/")
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "registration_endpoint": f"{base}/register",
        "revocation_endpoint": f"{base}/revoke",
        "introspection_endpoint": f"{base}/introspect",
        "userinfo_endpoint": f"{base}/userinfo",
        "jwks_uri": f"{base}/jwks.json",
        "scopes_supported": [*scopes, OPENID],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", EXCHANGE],
        "token_endpoint_auth_methods_supported": ["none", *_CONFIDENTIAL],
        "revocation_endpoint_auth_methods_supported": ["none", *_CONFIDENTIAL],
        "introspection_endpoint_auth_methods_supported": _CONFIDENTIAL,
        **{f"{name}_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS) for name in _ENDPOINTS},
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm],
        "acr_values_supported": list(CONTEXTS),
        "prompt_values_supported": list(PROMPTS),
        "claims_supported": _CLAIMS,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
