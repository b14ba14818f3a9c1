from dataclasses import dataclass

from shared.core.server import Server

_METADATA = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True)
class Address:
    """Where one server is reached.

    A process with one server has it at `/mcp`; a laptop with all of them on one port at `/{server}/mcp`.

    Attributes:
        base_url: Scheme and authority, without a trailing slash.
        path: Of the endpoint.
        alone: The process serves nothing else, so the root form of the metadata is its own too.
    """

    base_url: str
    path: str
    alone: bool = False

    @property
    def is_mcp(self) -> bool:
        """Whether programs reach it, over MCP; else it is for browsers."""
        return self.path.endswith("/mcp")

    @property
    def resource(self) -> str:
        """The audience of its tokens (RFC 8707), which is its URL."""
        return self.base_url + self.path

    @property
    def metadata_paths(self) -> list[str]:
        """Of the protected-resource metadata: the path form (RFC 9728 §3.1) first, then the root form."""
        return [_METADATA + self.path, *([_METADATA] if self.alone else [])]

    @property
    def metadata_url(self) -> str:
        return self.base_url + self.metadata_paths[0]

    @staticmethod
    def at(server: Server, base_url: str, *, alone: bool) -> "Address":
        """Of a server that is declared: one with pages is at `/{server}`, alone too, for people remember it."""
        if server.web is not None:
            return Address(base_url, f"/{server.name}")
        return Address.of(server.name, base_url, alone=alone)

    @staticmethod
    def of(server: str, base_url: str, *, alone: bool) -> "Address":
        return Address(base_url, "/mcp" if alone else f"/{server}/mcp", alone)
