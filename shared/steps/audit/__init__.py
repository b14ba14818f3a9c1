"""Who did what, when, why and with what outcome: durable before the answer leaves, in a chain nobody can edit.

- `entry.py`     one entry per call, on every way out
- `chain.py`     canonical bytes, keyed hashes, and the columns that repeat them
- `naming.py`    the ids a record names, which it is found by
- `writer.py`    one batching writer a process; a caller waits for the commit of its batch
- `spool.py`     where refusals go while the store is away
- `recovery.py`  what became of intents whose process died
- `checkpoints.py` how far chains go, stated outside the database
- `verify.py`    recomputes everything and names what does not fit
- `query.py`     finds records
"""

from shared.steps.audit.entry import Entry, Sink, record

__all__ = ["Entry", "Sink", "record"]
