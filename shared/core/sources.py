"""Settings out of variables, whatever these come from."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel
from pydantic_settings import BaseSettings, EnvSettingsSource

S = TypeVar("S", bound=BaseSettings)


def settings_of(variables: Mapping[str, str], kind: type[S]) -> S:
    """What these variables say, as if they were the environment, and nothing else: that one is not looked at.

    Args:
        variables: By name, like `SUITE_PORT`.
        kind: Of settings.

    Raises:
        SettingsError: What should be JSON is none.
        ValidationError: A value is none that its setting can have.
        Misconfigured: Together they are unsafe.
    """
    source = EnvSettingsSource(kind)
    source.env_vars = {name.lower(): value for name, value in variables.items()}
    settings = kind.__new__(kind)
    BaseModel.__init__(settings, **source())  # its own __init__ would read the environment
    return settings
