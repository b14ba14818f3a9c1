"""Where a server is, and where its metadata is (RFC 9728 §3.1)."""

from shared.edge.address import Address

ROOT = "/.well-known/oauth-protected-resource"


def test_a_server_that_is_alone_has_the_root_form_of_the_metadata_too() -> None:
    address = Address.of("customers", "https://customers.example", alone=True)
    assert address.resource == "https://customers.example/mcp"
    assert address.metadata_paths == [f"{ROOT}/mcp", ROOT]
    assert address.metadata_url == f"https://customers.example{ROOT}/mcp"


def test_servers_that_share_a_port_leave_the_root_form_to_nobody() -> None:
    address = Address.of("customers", "http://127.0.0.1:8080", alone=False)
    assert address.resource == "http://127.0.0.1:8080/customers/mcp"
    assert address.metadata_paths == [f"{ROOT}/customers/mcp"]
