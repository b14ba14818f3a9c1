"""Settings of our own other servers, which tools call in their callers' names."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from shared.core.errors import Misconfigured
from shared.core.upstreams import problem_of_url

PeerUrls = Annotated[
    dict[str, str],
    Field(
        description="`SUITE_PEERS__CUSTOMERS=https://mcp.acme.example/customers/mcp`: where this process reaches the "
        "customers server. Default: /{server}/mcp of public_url."
    ),
]
PeerResources = Annotated[
    dict[str, str],
    Field(
        description="`SUITE_PEER_RESOURCES__CUSTOMERS`: what names it in a token exchange, if that is not the URL it "
        "is reached at."
    ),
]


def require_private(peers: Mapping[str, str]) -> None:
    """Refuse URLs that would send tokens in the clear.

    Raises:
        Misconfigured: Names the server.
    """
    for name, url in peers.items():
        if (problem := problem_of_url(url)) is not None:
            raise Misconfigured(f"peers: of {name} the {problem}")
