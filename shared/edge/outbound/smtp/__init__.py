"""Mails handed to the one relay of the settings, and what it said of each (RFC 5321).

- `relay.py`       connections kept for use again, and leaving a relay alone that does not answer
- `connecting.py`  from a name to a relay that is ready for mails: TLS, EHLO, login; all of it aiosmtplib's
- `connection.py`  one connection: questions, answers, whether it is still good
- `handing.py`     one mail: sender, recipients, text, and the moment from which nobody can tell
- `wire.py`        the bytes of it, and what a relay offers
- `bounces.py`     which refusals say that there is no such address
- `outcomes.py`    what can become of a mail, in our words
"""

from shared.edge.outbound.smtp.connection import Connection
from shared.edge.outbound.smtp.outcomes import Handed, Letter, Reply, Unreachable
from shared.edge.outbound.smtp.relay import Relay, open_relay

__all__ = ["Connection", "Handed", "Letter", "Relay", "Reply", "Unreachable", "open_relay"]
