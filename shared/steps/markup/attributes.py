"""What the attributes of a tag hide, fetch, lead to, or say unseen."""

import re

from shared.steps.markup import links, looks
from shared.steps.markup.edits import Edit
from shared.steps.markup.names import (
    ADDRESSES,
    FETCHING,
    FETCHING_OF_COMPONENTS,
    MAY_BE_LONG,
    PICTURES,
    SWITCHES,
)

_REGULAR = re.compile(r"[A-Za-z_:$@][\w.:$@-]*")
_HANDLER = re.compile(r"on(?:[A-Z]\w*|[a-z]{3,})")
_ABSOLUTE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:|//|\\\\)", re.IGNORECASE)
_SEVERAL_WORDS = re.compile(r"\S\s+\S")
_WORDED = PICTURES | {"input"}
_SWITCHES_MAX = 3
_STYLE_MAX = 500
_OF_SCRIPT = "{}\"'`() "


class Attributes:
    """The attributes of one tag, taken one after the other.

    Args:
        written: The name of the tag.
        closing: `</…>`, which has none.
        offset: Where the tag begins.

    Attributes:
        component: Its name is a JSX component's, whose words may be shown.
        regular: CommonMark and JSX agree that these are attributes.
        hides: The element is not shown.
        kind: Of an input.
        words: Of a picture.
        target: Of a link.
        changes: What is taken out, by place in the tag.
    """

    def __init__(self, written: str, *, closing: bool, offset: int) -> None:
        self._closing, self._offset = closing, offset
        self._tag = written.lower()
        self._switches: list[re.Match[str]] = []
        self.component = not written.islower() and not written.isupper()
        self.regular = True
        self.hides = False
        self.kind = ""
        self.words = ""
        self.target: str | None = None
        self.changes: list[Edit] = []

    def take(self, given: re.Match[str]) -> None:
        """One attribute: its `name`, what it `is`, the `braces` of JSX, and the `gap` before it."""
        written = given["name"] or ""
        name, value = written.lower(), _unquoted(given["is"])
        named = given["braces"] or _REGULAR.fullmatch(written)
        self.regular = self.regular and bool(named) and given["gap"].isspace() and not self._closing
        if self._closing or not (name or given["braces"]) or self._unseen(given, name, value):
            self._drop(given, "hidden")
        elif name in ADDRESSES and value is not None:
            self._address(given, name, value)
        elif self._fetches(name, value or ""):
            self._drop(given, "image")
        elif name == "style" and value is not None:
            self._style(given, value)
        else:
            self._say(name, value or "")

    def finish(self) -> None:
        """A component has a few switches (`<Card horizontal>`); many are words that nobody sees."""
        if len(self._switches) > _SWITCHES_MAX:
            for given in self._switches:
                self._drop(given, "hidden")
        self.changes.sort()

    def _unseen(self, given: re.Match[str], name: str, value: str | None) -> bool:
        """Whether nobody sees what it says."""
        script = given["braces"] or (value if value and value.startswith("{") else "")
        if "/*" in script or name == "srcdoc":
            return True
        if value is not None and _HANDLER.fullmatch(given["name"] if self.component else name):
            return True
        if self.component and not name.startswith(("aria-", "data-")):
            if value is None and name:
                self._switches.append(given)
            return False
        if value is None:
            return bool(name) and name not in SWITCHES
        if name == "alt" and self._tag in _WORDED:
            return False
        return name not in MAY_BE_LONG and name not in ADDRESSES and bool(_SEVERAL_WORDS.search(value))

    def _fetches(self, name: str, value: str) -> bool:
        """Whether a client would ask for it: any source of an element, but of a component only another site's."""
        if self.component:
            return name in FETCHING_OF_COMPONENTS and bool(_ABSOLUTE.match(value.strip(_OF_SCRIPT)))
        return name in FETCHING and self._tag not in PICTURES

    def _say(self, name: str, value: str) -> None:
        if name == "alt":
            self.words = value.strip(_OF_SCRIPT) if value.startswith("{") else value
        elif name == "type":
            self.kind = value.strip().lower()
        self.hides = self.hides or (
            (name in {"hidden", "popover"} and value != "{false}")
            or (name in {"class", "classname"} and looks.hides_by_class(value.strip(_OF_SCRIPT)))
            or (self._tag == "input" and self.kind == "hidden")
            or (self._tag == "font" and name == "color" and looks.is_pale(value.lower()))
        )

    def _style(self, given: re.Match[str], value: str) -> None:
        if looks.hides(value, script=value.startswith("{")):
            self.hides = True
        elif looks.fetches(value):
            self._drop(given, "image")
        elif "/*" in value or len(value) > _STYLE_MAX:
            self._drop(given, "hidden")

    def _address(self, given: re.Match[str], name: str, value: str) -> None:
        target = value.strip(_OF_SCRIPT) if value.startswith("{") else value
        if name == "href":
            self.target = target
        if not links.is_harmless(target):
            self._change(*given.span("is"), f'="{links.disarmed(target)}"', "link")

    def _drop(self, given: re.Match[str], name: str) -> None:
        self._change(given.start(), given.end(), "", name)

    def _change(self, start: int, end: int, shown: str, name: str) -> None:
        self.changes.append(Edit(start - self._offset, end - self._offset, shown, name))


def _unquoted(written: str | None) -> str | None:
    """The value after `=`, without its quotes; a JSX expression keeps its braces."""
    if written is None:
        return None
    value = written.strip().removeprefix("=").strip()
    return value[1:-1] if value[:1] in {'"', "'"} else value
