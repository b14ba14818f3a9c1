"""Attachments: a name that is one, a type that is the content's, and nothing that runs when it is opened."""

import re
from io import BytesIO
from itertools import islice
from unicodedata import normalize
from zipfile import BadZipFile, ZipFile

from servers.mail.safety import limits
from servers.mail.safety.characters import one_line
from servers.mail.safety.findings import Finding, excerpt

_RUNS = frozenset(
    """
    ade adp app appimage application appref-ms appx apk bat bin class cmd com cpl crx deb diagcab dll dmg elf
    exe gadget hta inf ins iso img vhd vhdx jar jnlp js jse ksh lnk mde msc msh msi msix msp mst one osx pif pkg
    ps1 ps1xml ps2 psc1 psd1 psm1 reg rpm run scf scr sct settingcontent-ms sh shb shs so sys vb vbe vbs vxd
    workflow ws wsc wsf wsh xbap xll url website desktop command library-ms search-ms
    """.split()  # noqa: SIM905 - a list of bare words is read at a glance
)
_ACTIVE = frozenset(
    "htm html xhtml shtml mht mhtml svg xml xsl xslt swf docm xlsm pptm dotm xltm xlam ppam".split()  # noqa: SIM905 - bare words
)
_ARCHIVES = frozenset("zip docx xlsx pptx odt ods odp epub".split())  # noqa: SIM905 - bare words
_DOCUMENTS = frozenset(
    "pdf doc docx xls xlsx ppt pptx odt ods txt csv rtf png jpg jpeg gif zip".split()  # noqa: SIM905 - bare words
)
_PROGRAMS = (
    *(b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa", b"#!"),
    b"L\x00\x00\x00\x01\x14\x02\x00",  # a Windows shortcut
)
_MAGIC: dict[str, tuple[bytes, ...]] = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF8",),
    "image/webp": (b"RIFF",),
    "application/zip": (b"PK\x03\x04", b"PK\x05\x06"),
    "application/gzip": (b"\x1f\x8b",),
}
_BY_EXTENSION = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    **dict.fromkeys(_ARCHIVES, "application/zip"),
}
_MIME = re.compile(r"(?!multipart/|message/)[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,80}")
_PLAIN_TYPE = "application/octet-stream"
_UNSAFE = re.compile(r'[<>:"|?*\x00-\x1f]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_ENTRIES = 2000
"""Names of an archive that are looked at."""


def safe_name(name: str, where: str) -> tuple[str, list[Finding]]:
    """The name as a file may be called on any system, and what was found in it."""
    plain, findings = one_line(normalize("NFC", name[: 4 * limits.FILE_NAME]), where)
    base = _UNSAFE.sub("_", re.split(r"[/\\]", plain)[-1]).strip(" .").replace("=?", "_")
    if _DEVICE.match(base):
        base = f"_{base}"
    stem, dot, extension = base.rpartition(".")
    if len(base) > limits.FILE_NAME:
        base = f"{stem[: limits.FILE_NAME - 20]}{dot}{extension[:19]}" if dot else base[: limits.FILE_NAME]
    base = base.strip(" .") or "attachment"
    if base != plain:
        what = "The name was made one that is safe on any system."
        findings.append(Finding("file_name", "warning", where, what, excerpt(name), excerpt(base)))
    return base, findings


def safe_type(mime: str, where: str) -> tuple[str, list[Finding]]:
    """The media type without parameters; what is none, or would be taken for a part of this message, is plain bytes."""
    plain = mime.partition(";")[0].strip().lower()
    if _MIME.fullmatch(plain):
        return plain, []
    what = "Its media type is none that an attachment may have; it goes as plain bytes."
    return _PLAIN_TYPE, [Finding("media_type", "warning", where, what, excerpt(mime), _PLAIN_TYPE)]


def judged(name: str, mime: str, content: bytes, where: str) -> list[Finding]:
    """What is to be said of an attachment by its name, its type and its first bytes."""
    *before, extension = name.lower().split(".")
    if extension in _RUNS:
        findings = [Finding("executable", "block", where, "It runs when it is opened. Take it out.", excerpt(name))]
        if before and before[-1].strip() in _DOCUMENTS:
            what = f"It is named like a document ({before[-1].strip()}) and runs when it is opened. Take it out."
            findings.append(Finding("double_extension", "block", where, what, excerpt(name)))
        return findings
    if content.startswith(_PROGRAMS) and not mime.startswith("text/x-"):
        what = "Its content is a program, whatever it is called. Take it out."
        return [Finding("executable", "block", where, what, excerpt(name))]
    findings = _active(extension, where, name) + _of_type(extension, mime, content, where)
    if content.startswith(b"PK\x03\x04"):
        findings += _archive(content, where)
    return findings


def readable(name: str, mime: str, content: bytes) -> str | None:
    """The words of an attachment that is text, as far as they are searched for secrets; None if it is none."""
    texts = ("json", "xml", "yaml", "csv", "javascript", "x-pem-file", "pkcs8", "sql")
    ending = name.lower().endswith((".txt", ".csv", ".md", ".json", ".yaml", ".yml", ".env", ".pem", ".key", ".log"))
    if not (ending or mime.startswith("text/") or any(each in mime for each in texts)):
        return None
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return content[: limits.SCANNED].decode("utf-16" if wide else "utf-8", "replace")


def _active(extension: str, where: str, name: str) -> list[Finding]:
    if extension not in _ACTIVE:
        return []
    return [Finding("active_content", "warning", where, "It can hold programs. Send a PDF instead.", excerpt(name))]


def _of_type(extension: str, mime: str, content: bytes, where: str) -> list[Finding]:
    for said in dict.fromkeys((mime, _BY_EXTENSION.get(extension, ""))):
        if said in _MAGIC and not content.startswith(_MAGIC[said]):
            what = f"It is said to be {said} and its content is not. Send it under its own name and type."
            return [Finding("type_differs", "warning", where, what)]
    return []


def _archive(content: bytes, where: str) -> list[Finding]:
    """By its directory alone: nothing is unpacked."""
    try:
        with ZipFile(BytesIO(content)) as archive:
            entries = list(islice(archive.infolist(), _ENTRIES))
    except (BadZipFile, ValueError, OSError, NotImplementedError, UnicodeError):
        return [Finding("type_differs", "warning", where, "It begins like an archive and cannot be read as one.")]
    inside = [each.filename for each in entries if each.filename.lower().rpartition(".")[2] in _RUNS - {"bin"}]
    if inside:
        what = "There is something in it that runs when it is opened. Take it out."
        return [Finding("executable", "block", where, what, excerpt(inside[0]), count=len(inside))]
    if any(each.flag_bits & 1 for each in entries):
        return [Finding("encrypted", "warning", where, "It is encrypted, so that nobody can see what is in it.")]
    if any(each.filename.lower().endswith("vbaproject.bin") for each in entries):
        return [Finding("active_content", "warning", where, "It holds macros. Send a PDF instead.")]
    return []
