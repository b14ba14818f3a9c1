"""Secrets kept in HashiCorp Vault (or OpenBao, which speaks the same): `vault:PATH#KEY` in any setting."""
