"""What the server for the conformance suite (`tests/conformance/everything.py`) declares."""
