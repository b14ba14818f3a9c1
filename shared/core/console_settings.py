"""Settings of what people use in a browser."""

from typing import Annotated

from pydantic import Field, SecretStr

ConsoleIssuer = Annotated[
    str | None,
    Field(
        description="`url` of the issuer at which people sign in to the console; default: the first that is trusted."
    ),
]
ConsoleClientId = Annotated[
    str, Field(min_length=1, description="What the console is called there; its redirect URI is /console/callback.")
]
ConsoleClientSecret = Annotated[
    SecretStr | None, Field(description="How it proves it; without one it is a public client, with PKCE as ever.")
]
ConsoleIdle = Annotated[int, Field(ge=60, le=86_400, description="Seconds after which an unused web session ends.")]
ConsoleAbsolute = Annotated[
    int, Field(ge=300, le=86_400, description="Seconds after which a web session ends, however it is used.")
]
