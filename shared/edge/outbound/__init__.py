"""Our calls to other people's systems, in the order of what happens to one.

- `opened.py`       what a process has: a client for each upstream, and what a call gets of it
- `client.py`       one request: its places, time and size, repeats of reads, and what may have arrived of a write
- `credentials.py`  a token made for the other side, never the caller's own
- `pausing.py`      what the other side says of its limits
- `breaker.py`      leaving alone what fails again and again
- `answers.py`      JSON, bounded, of the shape we know
- `failures.py`     what a refusal means to the caller
- `reconciling.py`  finds out later what became of writes whose reply was lost

Nothing is imported here: `smtp/` needs none of it, and a process without upstreams no client for HTTP.
"""
