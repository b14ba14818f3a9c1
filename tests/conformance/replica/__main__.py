"""The server over HTTP, set by the environment like `mcp-suite serve`."""

from tests.conformance.everything import server
from tests.drill.__main__ import main

if __name__ == "__main__":
    main(server)
