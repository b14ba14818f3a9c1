"""From the bytes of a file to what the server keeps of it. Pure functions: no database, no network, no files.

- `kinds.py`         what a file is, by name and content; what we take and what we refuse
- `decoding.py`      bytes → characters
- `front_matter.py`  the YAML block on top of a Markdown file
- `blocks.py`        Markdown and MDX → paragraphs, headings, code
- `inline.py`        the inside of a paragraph → visible words and links; `tags.py` reads its tags
- `markdown.py`, `plain_text.py`, `web_page.py` (with `seen.py`), `pdf.py`, `images.py`   one module a format
- `plain.py`         Markdown → the words a search index is given
- `sections.py`      headings → sections that tile the text
- `reading.py`       `parse`: the way through all of these
- `apart.py`         the same in a process of its own, with limits on memory and time
"""

from servers.documents.formats.apart import parse_apart
from servers.documents.formats.kinds import LIMIT_BYTES, MEDIA_TYPES
from servers.documents.formats.parsed import TEXT_LIMIT, Link, Parsed, Section
from servers.documents.formats.plain import plain
from servers.documents.formats.reading import parse
from servers.documents.formats.refused import Refused

__all__ = [
    "LIMIT_BYTES",
    "MEDIA_TYPES",
    "TEXT_LIMIT",
    "Link",
    "Parsed",
    "Refused",
    "Section",
    "parse",
    "parse_apart",
    "plain",
]
