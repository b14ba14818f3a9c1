from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """A program with an identity of its own (client credentials): the agent as a service.

    Its secret is no data: it is made when the provider starts (`IdentityProvider.machine_secret`).
    """

    client_id: str
    name: str
    tenant: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]

    @property
    def subject(self) -> str:
        """RFC 9068 §2.2: without a user, `sub` is the client."""
        return self.client_id


_ALL = (
    Machine("acme-triage", "Triage agent", "acme", ("agent",), ("customers:read",)),
    Machine("acme-sync", "Nightly synchronisation", "acme", ("service",), ("customers:write", "customers:pii")),
    Machine("globex-sync", "Nightly synchronisation", "globex", ("service",), ("customers:write",)),
)

MACHINES = {machine.client_id: machine for machine in _ALL}
