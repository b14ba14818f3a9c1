"""Claims → Caller: where each provider keeps what we need is told by its `Issuer`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from shared.core.caller import ACRS, Caller, Trust
from shared.core.issuers import TENANT, Issuer
from shared.steps.challenges import refuse

TEXT_LIMIT = 512
"""Longest subject, client and the like, in characters."""
ACTORS_LIMIT = 4
"""Longest chain of actors."""

ABSENT: Any = object()
"""What is found where no claim is."""
_ANY = "*"


def caller(claims: Mapping[str, Any], issuer: Issuer) -> Caller:
    """Who calls, by claims that are verified.

    Raises:
        Unauthenticated: `claims`: one is missing or misshapen; `tenant`: this issuer may not vouch for it.
    """
    said = {name: read() for name, read in readings(claims, issuer).items()}
    program = _is_program(claims, issuer, said["subject"], said["client"])
    through = None if program else issuer.server_named(said["actors"][0] if said["actors"] else said["client"])
    return Caller(issuer=issuer.url, trust=_trust(program, said["actors"]), through=through, **said)


def readings(claims: Mapping[str, Any], issuer: Issuer) -> dict[str, Callable[[], Any]]:
    """What is read for each attribute of a caller, in the order in which it is read; each raises as `caller` does."""
    return {
        "subject": lambda: _text(claims, issuer.subject_claim),
        "client": lambda: _client(claims, issuer),
        "actors": lambda: _actors(claims),
        "tenant": lambda: _tenant(claims, issuer),
        "scopes": lambda: _scopes(claims, issuer),
        "roles": lambda: _roles(claims, issuer),
        "acr": lambda: _acr(claims, issuer),
        "auth_time": lambda: int(seconds(claims, "auth_time")) if "auth_time" in claims else None,
        "token_id": lambda: _text(claims, issuer.id_claim) if _has(claims, issuer.id_claim) else None,
        "session_id": lambda: _text(claims, issuer.session_claim) if _has(claims, issuer.session_claim) else None,
        "expires_at": lambda: int(seconds(claims, "exp")),
    }


def seconds(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 §2).

    Raises:
        Unauthenticated: `claims`.
    """
    value: object = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise refuse("claims")
    return value


def texts(value: object, reason: str) -> list[str]:
    """A list of texts, each on one line.

    Raises:
        Unauthenticated: With `reason`.
    """
    if not isinstance(value, list):
        raise refuse(reason)
    words = cast("list[object]", value)
    if not all(isinstance(word, str) and word.isprintable() for word in words):
        raise refuse(reason)
    return cast("list[str]", words)


def find(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of this very name (a URL has dots too), else the one at the end of a path through objects, else
    `ABSENT`.
    """
    if path in claims:
        return claims[path]
    for dot in (at for at, letter in enumerate(path) if letter == "."):
        inner: object = claims.get(path[:dot])
        if isinstance(inner, dict):
            found = find(cast("dict[str, Any]", inner), path[dot + 1 :])
            if found is not ABSENT:
                return found
    return ABSENT


def _has(claims: Mapping[str, Any], path: str) -> bool:
    return find(claims, path) is not ABSENT


def _present(claims: Mapping[str, Any], paths: tuple[str, ...]) -> Iterator[Any]:
    """The values of those claims that are there."""
    found = (find(claims, path) for path in paths)
    return (value for value in found if value is not ABSENT)


def _text(claims: Mapping[str, Any], path: str) -> str:
    return _line(find(claims, path))


def _line(value: object) -> str:
    # Not printable: PostgreSQL takes no NUL, and no log should take a line end.
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_LIMIT or not value.isprintable():
        raise refuse("claims")
    return value


def _client(claims: Mapping[str, Any], issuer: Issuer) -> str:
    return _line(next(_present(claims, issuer.client_claims), None))


def _tenant(claims: Mapping[str, Any], issuer: Issuer) -> str:
    if issuer.tenant is not None:
        return issuer.tenant
    said = _text(claims, issuer.tenant_claim)
    if issuer.tenants:
        if said not in issuer.tenants:
            raise refuse("tenant")
        return issuer.tenants[said]
    if not TENANT.fullmatch(said):
        raise refuse("claims")
    return said


def _scopes(claims: Mapping[str, Any], issuer: Issuer) -> frozenset[str]:
    """Words in a string (RFC 9068 §2.2.3) or a list (Okta)."""
    words: list[str] = []
    for value in _present(claims, issuer.scope_claims):
        words += texts(value.split() if isinstance(value, str) else value, "claims")
    ours: list[str] = []
    for word in words:
        bare = word.removeprefix(issuer.scope_prefix)
        ours += issuer.scope_names.get(word, issuer.scope_names.get(bare, bare)).split()
    return Caller.granted(ours)


def _roles(claims: Mapping[str, Any], issuer: Issuer) -> frozenset[str]:
    said = [role for value in _present(claims, issuer.role_claims) for role in texts(value, "claims")]
    # Groups are made by many people: one called like a role of ours must not become it by chance.
    ours = {issuer.role_names[role] for role in said if role in issuer.role_names} if issuer.role_names else set(said)
    return frozenset(ours or issuer.default_roles)


def _acr(claims: Mapping[str, Any], issuer: Issuer) -> str | None:
    """The strongest of our words; else what a claim with one word says, as it stands."""
    values = list(_present(claims, issuer.acr_claims))
    contexts = [_line(value) for value in values if not isinstance(value, list)]
    lists = (cast("list[object]", value) for value in values if isinstance(value, list))
    methods = [word for value in lists for word in texts(value, "claims")]
    known = {issuer.acr_names.get(word, word) for word in (*contexts, *methods)}
    strongest = [acr for acr in ACRS if acr in known]
    return strongest[-1] if strongest else next(iter(contexts), None)


def _actors(claims: Mapping[str, Any]) -> tuple[str, ...]:
    actors: list[str] = []
    holder: Mapping[str, Any] = claims
    while "act" in holder:
        actor: object = holder["act"]
        if not isinstance(actor, dict) or len(actors) == ACTORS_LIMIT:
            raise refuse("claims")
        holder = cast("dict[str, Any]", actor)
        actors.append(_text(holder, "sub"))
    return tuple(actors)


def _is_program(claims: Mapping[str, Any], issuer: Issuer, subject: str, client: str) -> bool:
    """Whether the token is a program's own (RFC 9068 §2.2: `sub` is the client then, where the provider does so)."""
    if client in (subject, claims.get("sub")):
        return True
    told = ((find(claims, path), value) for path, value in issuer.service_claims.items())
    return any(said == value or (value == _ANY and said is not ABSENT) for said, value in told)


def _trust(program: bool, actors: tuple[str, ...]) -> Trust:
    if program:
        return "hybrid" if actors else "service"
    return "delegated" if actors else "person"
