"""Servers that people use in a browser: sign-in (OpenID Connect), web sessions, and pages over the server's own tools.

`site.py` is where to begin; docs/decisions/0042 says why it is as it is.
"""
