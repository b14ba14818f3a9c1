"""Each kind of finding is in docs/mail-safety.md: its words do not change unseen."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[4]
KIND = re.compile(
    r'(?:Finding|_out|_finding|_row|_refused|_found)\(\s*"([a-z_]+)"|^_[A-Z]+ = \("([a-z_]+)", "(?:A |S|that )',
    re.MULTILINE,
)


def test_every_kind_of_finding_is_documented() -> None:
    sources = (path.read_text() for path in sorted((ROOT / "servers/mail/safety").glob("*.py")))
    kinds = {one or other for source in sources for one, other in KIND.findall(source)}
    documented = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs/mail-safety.md").read_text()))
    assert len(kinds) > 35
    assert kinds <= documented
