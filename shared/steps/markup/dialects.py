"""The dialects of Markdown that a document is read in. Their parser takes a while to import, and most processes that
start over stdio never read a document: `layout` imports this when the first one comes.
"""

from markdown_it import MarkdownIt

COMMONMARK = MarkdownIt("commonmark").enable("table").disable(["inline", "text_join"])
MDX = MarkdownIt("commonmark").enable("table").disable(["inline", "text_join", "code", "html_block", "reference"])


def _any_link(url: str) -> bool:  # noqa: ARG001 - a parser asks with it
    """What markdown-it would not link others do: it must be seen as a link."""
    return True


COMMONMARK.validateLink = MDX.validateLink = _any_link
