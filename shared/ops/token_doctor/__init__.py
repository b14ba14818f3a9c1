"""`mcp-suite doctor auth`: the verifier's own questions to a token, each with its answer and what to do about it.

- `command.py`   the command
- `explain.py`   the questions, in the verifier's order
- `form.py`, `provider.py`, `terms.py`, `claims.py`   the answers, by what they are about
- `rights.py`    what is stopped, and what policy lets the caller do
- `hints.py`     what a near miss may have meant
- `told.py`, `words.py`   what is said, and what never is
"""
