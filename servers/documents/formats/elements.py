"""What the elements of HTML mean for somebody who wants to read their words."""

import re


def _these(names: str) -> frozenset[str]:
    return frozenset(names.split())


NEVER_SEEN = _these(
    "applet audio canvas datalist embed frameset head iframe input map math noembed noframes noscript object script "
    "select style svg template textarea video"
)
VOID = _these("area base br col embed hr img input link meta param source track wbr")
NOT_NESTED = VOID | _these("colgroup dd dt li optgroup option p rp rt tbody td tfoot th thead tr")
"""Elements that may be left open, and are closed by the next of their kind."""
WITHIN_WORDS = _these("a abbr b bdi bdo code del em font i ins kbd mark q s small span strong sub sup tt u var wbr")
"""Elements that do not part the letters before them from those after."""
HEADINGS = {f"h{level}": level for level in range(1, 7)}
BLOCKS = HEADINGS.keys() | _these(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure "
    "footer form header hr legend li main nav ol p pre section summary table tr ul"
)
APART = HEADINGS.keys() | _these("blockquote dl figure ol p pre section table ul")
"""Blocks with a blank line around them."""

UNSEEN_STYLE = re.compile(r"display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}(?:hidden|collapse)", re.IGNORECASE)
ACTIVE = re.compile(r"[\s\x00-\x20]*(?:javascript|vbscript|data|file)\s*:", re.IGNORECASE)
"""Targets that are no places to go to."""
