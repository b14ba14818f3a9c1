from servers.documents.formats.decoding import decoded
from servers.documents.formats.images import image
from servers.documents.formats.kinds import recognised
from servers.documents.formats.markdown import markdown
from servers.documents.formats.parsed import Parsed
from servers.documents.formats.plain_text import plain_text


def parse(name: str, data: bytes, media_type: str | None = None) -> Parsed:
    """What is kept of a file.

    Text and pictures take time and memory in proportion to their size. HTML and PDF made with ill will can take any
    amount of both: of strangers' files use `parse_apart`.

    Args:
        name: The file's name, or a path that ends in it; its ending says what it should be.
        data: All of its bytes.
        media_type: What the sender calls it, if known.

    Raises:
        Refused: It is not taken; says why, and what to do.
    """
    match recognised(name, data, media_type):
        case "application/pdf":
            from servers.documents.formats.pdf import pdf  # noqa: PLC0415 - 15 MB of memory where no PDF is read

            return pdf(name, data)
        case "text/html":
            from servers.documents.formats.web_page import web_page  # noqa: PLC0415 - as for PDF

            return web_page(name, decoded(data))
        case "text/plain":
            return plain_text(name, decoded(data))
        case "text/markdown" | "text/mdx" as found:
            return markdown(name, decoded(data), found)
        case found:
            return image(name, data, found)
