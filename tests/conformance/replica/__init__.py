"""The server for the conformance suite as a replica of a fleet: `python -m` serves it, as it does the drill server."""
