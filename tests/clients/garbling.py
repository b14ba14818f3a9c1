"""A client's way to its server on which lines are spoilt: before each one passed on, others that are no message.

python garbling.py COMMAND…
"""

import subprocess
import sys

GARBAGE = (
    b"this is no JSON",
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}',
    b"[]",
    b'{"jsonrpc":"1.0","id":"spoilt","method":"ping"}',
    b"x" * 2_000_000,
)
"""Each is answered with an error, whose id is null but for the one before the last."""


def main() -> int:
    with subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE) as server:
        assert server.stdin is not None
        for line in sys.stdin.buffer:
            server.stdin.write(b"".join(garbage + b"\n" for garbage in GARBAGE) + line)
            server.stdin.flush()
        server.stdin.close()
        return server.wait()


if __name__ == "__main__":
    sys.exit(main())
