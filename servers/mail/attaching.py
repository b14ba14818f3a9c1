"""Documents that go with a mail: read from the documents server with the caller's own rights, and kept as they were."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import unquote

from pydantic import Base64Bytes, BaseModel, ConfigDict

from servers.mail.models import ATTACHMENTS_BYTES_MAX, AttachedFile
from servers.mail.safety.composing import Attachment
from shared.core.errors import Invalid
from shared.core.tool import Answer, Call, Label
from shared.steps.redaction import Exact


class File(BaseModel):
    """A document, whole."""

    model_config = ConfigDict(frozen=True)

    uri: Annotated[str, Exact()]
    mime_type: Annotated[str, Exact()]
    content: Annotated[Base64Bytes, Exact()]
    labels: frozenset[Label]

    @property
    def name(self) -> str:
        """What it is called in the mail: the last part of its path."""
        return unquote(PurePosixPath(self.uri.partition("?")[0]).name)

    @property
    def attachment(self) -> Attachment:
        return Attachment(name=self.name, mime=self.mime_type, content=self.content)

    @property
    def shown(self) -> AttachedFile:
        return AttachedFile(
            uri=self.uri,
            name=self.name,
            mime_type=self.mime_type,
            size=len(self.content),
            digest=sha256(self.content).hexdigest(),
            confidential=Label.CONFIDENTIAL in self.labels,
        )


class Files(Answer):
    """All that goes with one mail."""

    files: list[File]


async def files_of(call: Call, uris: Sequence[str]) -> list[File]:
    """The documents, in order, each once. What they hold counts as given to the caller.

    Raises:
        Invalid: They are too large together.
        NotFound: One is not there, or not for this caller.
    """
    if not uris:
        return []
    kept = await call.gather("attachments", lambda: _read(call, uris), Files)
    for file in kept.files:
        for label in file.labels:
            call.label(label)
    return kept.files


async def _read(call: Call, uris: Sequence[str]) -> Files:
    documents = call.peer("documents")
    files: list[File] = []
    for uri in dict.fromkeys(uris):
        found = await documents.read(uri)
        mime_type = (found.mime_type or "application/octet-stream").partition(";")[0]
        content = b64encode(found.data)  # as pydantic takes bytes that JSON can hold
        files.append(File(uri=uri, mime_type=mime_type, content=content, labels=found.labels))
        if sum(len(file.content) for file in files) > ATTACHMENTS_BYTES_MAX:
            raise Invalid(
                f"The attachments are larger than {ATTACHMENTS_BYTES_MAX // 2**20} MB together at {uri}. Send fewer, "
                "or write where to read them."
            )
    return Files(files=files)
