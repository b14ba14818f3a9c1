"""Whom a token is taken for: each attribute of the caller, the claims it was looked for in, and what may be meant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.caller import ACRS, Caller
from shared.core.errors import Unauthenticated
from shared.core.issuers import TENANT, Issuer
from shared.ops.token_doctor.told import Question, Told
from shared.ops.token_doctor.words import claim_names, listed, shown
from shared.steps.claims import ABSENT, caller, find, readings

_ALIKE = {
    "subject": ("oid", "uid", "user_id", "sub"),
    "client": ("azp", "appid", "cid", "client"),
    "tenant": ("tenant", "tid", "org", "realm", "company"),
    "scopes": ("scope", "scp", "permission"),
    "roles": ("role", "group", "permission"),
    "acr": ("acr", "amr"),
}
"""Parts of the names that well-known providers give to claims of this kind."""
_SETTINGS = {
    "subject": "subject_claim",
    "client": "client_claims",
    "tenant": "tenant_claim",
    "scopes": "scope_claims",
    "roles": "role_claims",
    "acr": "acr_claims",
    "token_id": "id_claim",
    "session_id": "session_claim",
}
_FORMS = {
    "tenant": f"A tenant's name is {TENANT.pattern}; where the provider has other names, map them with TENANTS.",
    "scopes": "Scopes are words in a text, or a list of texts.",
    "roles": "Roles are a list of texts; name the list itself, e.g. realm_access.roles.",
    "actors": "`act` is an object with `sub`, and perhaps another `act`; four of them at most (RFC 8693 §4.1).",
    "auth_time": "It is a number of seconds since 1970.",
}
_PROGRAMS = {"idtyp": "app", "gty": "client-credentials", "clientHost": "*", "client_id": "*"}
"""Claims by which well-known providers tell that a program speaks for itself."""
_TRUST = {
    "person": "somebody through this client",
    "service": "a program by itself (client credentials)",
    "delegated": "an agent on behalf of a person (`act`)",
    "hybrid": "an agent as itself, vouched for by a person (`act`)",
}


@dataclass(frozen=True)
class Claims:
    """The claims of one token, read as the verifier reads them."""

    told: Told
    question: Question
    issuer: Issuer
    claims: Mapping[str, Any]

    def tell(self) -> None:
        """Tell of each; all of them make the caller."""
        refused = False
        for name, read in readings(self.claims, self.issuer).items():
            try:
                self._found(name, read())
            except Unauthenticated as refusal:
                refused = True
                if name != "expires_at":  # told with the times
                    self.told.refused(refusal.reason, *self._wrong(name, refusal.reason))
        if not refused:
            who = self.told.caller = caller(self.claims, self.issuer)
            self._trust(who)

    def _paths(self, name: str) -> tuple[str, ...]:
        """The claims that an attribute is looked for in."""
        if name in _SETTINGS:
            named: str | tuple[str, ...] = getattr(self.issuer, _SETTINGS[name])
            return (named,) if isinstance(named, str) else named
        return ({"actors": "act"}.get(name, name),)

    def _looked(self, name: str) -> str:
        return " and ".join(f"`{path}`" for path in self._paths(name))

    def _there(self, name: str) -> list[str]:
        return [path for path in self._paths(name) if find(self.claims, path) is not ABSENT]

    def _from(self, name: str) -> str:
        paths = self._there(name)
        return f" (from {' and '.join(f'`{path}`' for path in paths)})" if paths else ""

    def _alike(self, name: str) -> str:
        """Other claims that look like it, and the setting that would have them count."""
        names = [path for path in claim_names(self.claims, _ALIKE.get(name, ())) if path not in self._paths(name)]
        if not names:
            return ""
        setting = self.question.setting(self.issuer, _SETTINGS[name])
        return f"\nThese claims of the token look like it: {listed(names)}. The setting is {setting}."

    def _wrong(self, name: str, reason: str) -> tuple[str, str]:
        if reason == "tenant":
            return self._foreign_tenant()
        if self._there(name):
            fix = _FORMS.get(name, "It is one printable line of at most 512 characters.")
            return f"{name}: {self._looked(name)} has the wrong form", fix
        fix = f"Let the provider add it to access tokens: a mapper, a claim, an optional claim.{self._alike(name)}"
        if name == "tenant":
            fix += f"\nIf all its callers are of one tenant: {self.question.line(self.issuer, 'tenant', 'TENANT')}"
        return f"{name}: {self._looked(name)} is not in the token", fix

    def _foreign_tenant(self) -> tuple[str, str]:
        said = find(self.claims, self.issuer.tenant_claim)
        known = listed(self.issuer.tenants)
        text = f"tenant: {self._looked('tenant')} is {shown(said)}; this issuer vouches for {known}"
        line = self.question.line(self.issuer, "tenants", {**self.issuer.tenants, shown(said): "TENANT"})
        return text, f"If it is a tenant of yours, say which:\n{line}"

    def _found(self, name: str, value: Any) -> None:
        if name in {"subject", "client", "tenant"}:
            fixed = name == "tenant" and self.issuer.tenant
            whence = " (all of this issuer are)" if fixed else self._from(name)
            self.told.add("ok", f"{name}: {shown(value)}{whence}")
        elif name == "actors" and value:
            self.told.add("ok", f"actors: {listed(value)}, the present one first")
        elif name == "scopes":
            self._scopes(value)
        elif name == "roles":
            self._roles(value)
        elif name == "acr":
            self._sign_in(value)

    def _scopes(self, scopes: frozenset[str]) -> None:
        server = self.question.server.name
        ours = sorted(scope for scope in scopes if scope.startswith(f"{server}:"))
        if ours:
            self.told.add("ok", f"scopes: {listed(ours)}, with what they imply{self._from('scopes')}")
            return
        fix = f"Let the client ask for one, e.g. {server}:read, and the provider grant it."
        if scopes:
            setting = self.question.setting(self.issuer, "scope_names")
            fix += f"\nIf the provider calls it otherwise, say how: {setting}, or SCOPE_PREFIX."
        text = f"scopes: none of {server} in {self._looked('scopes')}; there are: {listed(sorted(scopes))}"
        self.told.add("warning", text, fix + self._alike("scopes"))

    def _roles(self, roles: frozenset[str]) -> None:
        if roles:
            self.told.add("ok", f"roles: {listed(sorted(roles))}{self._from('roles') or ' (the default ones)'}")
            return
        fix = "Policy gives scopes by role (docs/policy.md)."
        if self._there("roles") and self.issuer.role_names:
            setting = self.question.setting(self.issuer, "role_names")
            fix += f" None that the token names is among {listed(self.issuer.role_names)}: {setting}."
        text = f"roles: none that count, looked for in {self._looked('roles')}"
        self.told.add("warning", text, fix + self._alike("roles"))

    def _sign_in(self, acr: str | None) -> None:
        if acr in ACRS:
            self.told.add("ok", f"sign-in: {acr}{self._from('acr')}")
            return
        said = f"{shown(acr)}{self._from('acr')} is none of {', '.join(ACRS)}" if acr else "how strong is not told"
        setting = self.question.setting(self.issuer, "acr_names")
        fix = f"Tools that ask for a strong sign-in are refused. {setting} gives the provider's words their meaning."
        self.told.add("note", f"sign-in: {said}", fix + self._alike("acr"))

    def _trust(self, who: Caller) -> None:
        self.told.add("ok", f"trust: {who.trust}, {_TRUST[who.trust]}")
        looks = {name: value for name, value in _PROGRAMS.items() if self._says(name, value)}
        if looks and who.trust in {"person", "delegated"}:
            fix = f"If such tokens are of programs:\n{self.question.line(self.issuer, 'service_claims', looks)}"
            self.told.add("warning", f"trust: {listed(looks)} looks like a program's own token", fix)

    def _says(self, name: str, value: str) -> bool:
        said = self.claims.get(name)
        if name == "client_id":  # Keycloak puts it into tokens of service accounts, beside `azp`
            return said is not None and said == self.claims.get("azp")
        return said is not None and value in {said if isinstance(said, str) else "", "*"}
