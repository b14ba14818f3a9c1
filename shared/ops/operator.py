import getpass
import os


def operator() -> str:
    """The login of whoever runs the command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this user, as in containers
        return f"uid {os.getuid()}"
