"""Reading Markdown, MDX and HTML as they are written, to change as little of them as possible.

- `layout.py`       where a reader sees code, where prose, where HTML; `ranges.py` stretches of a text
- `suspicion.py`    whether there could be anything to change at all: most texts need not be parsed
- `scanning.py`     prose from beginning to end: what is hidden, fetched or misleading in it, by means of
  `source.py` the text and its layout · `spans.py` code between backticks · `comments.py` · `tags.py`,
  `attributes.py`, `names.py`, `looks.py` tags, what is in them, what is known of them, what a style hides ·
  `elements.py` where an element ends · `brackets.py`, `links.py` links and pictures
- `definitions.py`  of links and footnotes: written, and never shown
- `edits.py`        what is changed, and where; `quiet.py` after which edits the layout still holds
"""
