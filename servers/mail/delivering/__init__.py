"""Mails out of the database to the relay: at least once, as seldom twice as the wire allows.

- `queueing.py`    into the outbox, in the transaction of the call; and out of it, while a mail has not gone
- `worker.py`      what runs in each replica
- `taking.py`      rows of the queue under leases
- `sending.py`     the way of one mail
- `attempting.py`  an attempt on record, before and after
- `concluding.py`  what the relay's answer means
- `waiting.py`     when it goes again
- `pacing.py`      so many a minute
- `silence.py`     since when the relay does not answer
- `recording.py`   what happened, for the audit
- `reading.py`     what can be said of mails
- `requeueing.py`  dead letters, for operators
- `emptying.py`    what a mail said goes, once it ended long enough ago
- `states.py`, `tables.py`  words and tables
"""

from servers.mail.delivering.emptying import empty
from servers.mail.delivering.worker import deliver

workers = (deliver, empty)

__all__ = ["workers"]
