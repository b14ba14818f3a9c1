from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from compose.idp.clients import Client
from compose.idp.events import Events
from compose.idp.issuance import ISSUED as ACCESS_TOKEN
from compose.idp.issuance import Delegated, Issuance
from compose.idp.members import members
from compose.idp.parameters import Parameters
from compose.idp.refusals import OAuthError
from compose.idp.resources import Resource, Resources
from compose.idp.revoked import Revoked
from compose.idp.tokens import TOKEN_LIFETIME_S, AccessTokens
from shared.core.scopes import expand

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CHAIN = 4
"""Who may act for somebody who acts for somebody: so many, and no more."""
FRESH_S = 300
"""How long ago a person may have signed in who vouches for a machine."""

Claims = Mapping[str, Any]


@dataclass(frozen=True)
class _Parties:
    """For whom a token will speak, and what it takes from which of the tokens presented.

    Attributes:
        act: `act` of the new token (RFC 8693 §4.1).
        person: The claims that tell how somebody signed in.
    """

    subject: Claims
    act: dict[str, Any]
    person: Claims
    origins: tuple[Claims, ...]


class TokenExchange:
    """A token for another server, for the same subject (RFC 8693).

    | subject token | actor token | result |
    |---|---|---|
    | for the server that asks, or given to the machine that asks | none, or its own | subject, `act` = who asks |
    | the machine's own | of a person who signed in just now | machine, `act` = person: hybrid |

    Nothing is widened: the new token has no scope that the subject token or who asks lacks, ends no later than what
    it was had for, and is revoked with it.
    """

    def __init__(
        self,
        access: AccessTokens,
        revoked: Revoked,
        resources: Resources,
        issuance: Issuance,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._access = access
        self._revoked = revoked
        self._resources = resources
        self._issuance = issuance
        self._events = events
        self._clock = clock

    def redeem(self, client: Client, form: Parameters) -> JSONResponse:
        """The answer to a client that proved who it is.

        Raises:
            OAuthError: `invalid_request`: a token that is not accepted (RFC 8693 §2.2.2). `invalid_target`,
                `invalid_scope`, `unauthorized_client`: more than who asks may.
        """
        facts: dict[str, Any] = {"client_id": client.id}
        try:
            return self._exchange(client, form, facts)
        except OAuthError as error:
            self._events.report("exchange_refused", reason=error.description, **facts)
            raise

    def _exchange(self, client: Client, form: Parameters, facts: dict[str, Any]) -> JSONResponse:
        own = self._own_scopes(client)
        _check_types(form)
        subject = self._active(form.need("subject_token"), "subject_token")
        facts |= {"subject": subject["sub"], "tenant": subject.get("tenant"), "session": subject.get("sid")}
        presented = form.get("actor_token")
        actor = self._active(presented, "actor_token") if presented else None
        resource = self._resources.named(_targets(form))
        facts |= {"resource": resource.uri}
        parties = self._parties(client, subject, actor)
        scopes = _granted(resource, form.get("scope"), str(subject.get("scope", "")).split(), own)
        delegated = self._delegated(parties, client, resource, scopes)
        answer, jti = self._issuance.by_exchange(delegated, actors_of(parties.act))
        self._revoked.derived(jti, parties.origins, self._clock() + delegated.lifetime_s)
        return answer

    def _delegated(self, parties: _Parties, client: Client, resource: Resource, scopes: tuple[str, ...]) -> Delegated:
        now = int(self._clock())
        ends = min(now + TOKEN_LIFETIME_S, *(origin["exp"] for origin in parties.origins))
        told = {name: parties.person[name] for name in ("acr", "auth_time", "sid") if name in parties.person}
        return Delegated(
            subject=parties.subject["sub"],
            tenant=parties.subject["tenant"],
            roles=tuple(parties.subject.get("roles", ())),
            client_id=client.id,
            resource=resource,
            scopes=scopes,
            lifetime_s=ends - now,
            claims={**told, "act": parties.act},
        )

    def _own_scopes(self, client: Client) -> tuple[str, ...]:
        """What a client may do in somebody's name: a machine what it may by itself, a server what its tools declare.

        So a server acts elsewhere only for tools that name a scope of that other server.
        """
        if client.machine is not None:
            return client.machine.scopes
        if client.resource is not None:
            return self._resources.named([client.resource]).scopes
        raise OAuthError("unauthorized_client", "Only machines and resource servers exchange tokens.")

    def _active(self, token: str, name: str) -> dict[str, Any]:
        claims = self._access.read(token)
        if claims is None or self._revoked.holds(claims) or not isinstance(claims.get("tenant"), str):
            raise OAuthError("invalid_request", f"The {name} is not an access token of ours, or has ended.")
        return claims

    def _parties(self, client: Client, subject: Claims, actor: Claims | None) -> _Parties:
        if subject["sub"] == client.id:
            return self._vouched(client, subject, actor)
        _check_presented(client, subject, "subject_token")
        if actor is not None and not actor["sub"] == actor["client_id"] == client.id:
            raise OAuthError("invalid_request", "The actor_token must be the client's own.")
        origins = (subject,) if actor is None else (subject, actor)
        _check_tenants(client, origins)
        return _Parties(subject, _chained(client.id, subject), subject, origins)

    def _vouched(self, client: Client, subject: Claims, person: Claims | None) -> _Parties:
        """Hybrid: a machine as itself, for which somebody signed in."""
        if person is None:
            raise OAuthError("invalid_request", "To act as yourself use client_credentials, or add a person's token.")
        if subject["client_id"] != client.id:
            raise OAuthError("invalid_request", "The subject_token was given to another client.")
        if person["sub"] == person["client_id"] or "act" in person:
            raise OAuthError("invalid_request", "The actor_token must be a person's own.")
        if person["aud"] != self._resources.identity.uri:  # else it was given for another use, unless it says so
            _check_presented(client, person, "actor_token")
        signed_in: Any = person.get("auth_time")
        if not isinstance(signed_in, int) or self._clock() - signed_in > FRESH_S:
            raise OAuthError("invalid_request", "The person signed in too long ago. Let them sign in again.")
        _check_tenants(client, (subject, person))
        return _Parties(subject, _chained(person["sub"], subject), person, (subject, person))


def actors_of(act: object) -> tuple[str, ...]:
    """Who acts, the present actor first.

    Raises:
        OAuthError: `invalid_request`: no chain of `act` claims, or too long a one.
    """
    actors: list[str] = []
    while act is not None:
        link = members(act)
        actor = link.get("sub")
        if not isinstance(actor, str) or len(actors) >= CHAIN:
            raise OAuthError("invalid_request", f"At most {CHAIN} may act for each other.")
        actors.append(actor)
        act = link.get("act")
    return tuple(actors)


def _chained(actor: str, subject: Claims) -> dict[str, Any]:
    act = {"sub": actor, **({"act": subject["act"]} if "act" in subject else {})}
    actors_of(act)
    return act


def _check_presented(client: Client, claims: Claims, name: str) -> None:
    """A token may be exchanged by the server it is for, the machine it was given to, or whom it names (`may_act`)."""
    named = members(claims.get("may_act")).get("sub") == client.id
    if "may_act" in claims and not named:
        raise OAuthError("invalid_request", f"The {name} says that somebody else may act.")
    own = claims["aud"] == client.resource if client.resource else claims["client_id"] == client.id
    if not own and not named:
        raise OAuthError("invalid_request", f"The {name} is neither for this client nor says that it may act.")


def _check_tenants(client: Client, origins: tuple[Claims, ...]) -> None:
    tenants = {origin["tenant"] for origin in origins}
    if client.machine is not None:
        tenants.add(client.machine.tenant)
    if len(tenants) != 1:
        raise OAuthError("invalid_request", "Everybody in a token must be of one tenant.")


def _check_types(form: Parameters) -> None:
    if form.need("subject_token_type") != ACCESS_TOKEN:
        raise OAuthError("invalid_request", f"Use subject_token_type={ACCESS_TOKEN}.")
    given = form.get("actor_token_type")
    if (form.get("actor_token") is None) != (given is None) or given not in {None, ACCESS_TOKEN}:
        raise OAuthError("invalid_request", f"Send actor_token and actor_token_type={ACCESS_TOKEN}, or neither.")
    if form.get("requested_token_type") not in {None, ACCESS_TOKEN}:
        raise OAuthError("invalid_request", f"Use requested_token_type={ACCESS_TOKEN}.")


def _targets(form: Parameters) -> list[str]:
    audience = form.get("audience")
    return list(dict.fromkeys([*form.resources, *([audience] if audience else [])]))


def _granted(resource: Resource, requested: str | None, held: list[str], own: tuple[str, ...]) -> tuple[str, ...]:
    """The requested scopes, or the reading ones; all must be the subject's and those of who asks."""
    if not resource.held(own):
        raise OAuthError("invalid_target", "This client may not act at that resource.")
    allowed = expand(held) & expand(own)
    scopes = resource.grant(requested, [scope for scope in resource.scopes if scope in allowed])
    if not scopes or (requested is not None and set(requested.split()) - set(scopes)):
        raise OAuthError("invalid_scope", "The subject token, or this client, does not hold these scopes there.")
    return scopes
