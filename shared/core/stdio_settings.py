"""Settings of the caller over stdio, where the operating system's login is the authentication."""

from typing import Annotated

from pydantic import Field

from shared.core.caller import Acr
from shared.core.words import Words

StdioSubject = Annotated[str, Field(description="Who calls over stdio.")]
StdioTenant = Annotated[str, Field(description="Whose data the caller over stdio may touch.")]
StdioRoles = Annotated[Words, Field(description="The roles of the caller over stdio, for policy.")]
StdioAcr = Annotated[
    Acr, Field(description="How strongly the operating system lets people sign in, for tools that ask for it.")
]
StdioScopes = Annotated[
    Words, Field(description="What the caller over stdio may do; `*:` is whichever server is served.")
]
