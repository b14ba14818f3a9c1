from tests.conformance.everything import server

__all__ = ["server"]
