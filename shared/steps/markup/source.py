"""A text and how it is laid out, as those who scan it ask for it."""

from dataclasses import dataclass, field

from shared.steps.markup.edits import Edit
from shared.steps.markup.layout import Layout, could_be_mdx


@dataclass(slots=True)
class Source:
    """One text, and what is to be changed in it so far.

    Attributes:
        text: The text.
        layout: Of it.
        keep_all: Nothing is taken out of it, all is disarmed.
        edits: What is to be changed.
    """

    text: str
    layout: Layout
    keep_all: bool = False
    edits: list[Edit] = field(default_factory=list[Edit])
    _marks: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def mdx(self) -> bool:
        """Whether its readers may be MDX's."""
        return could_be_mdx(self.text)

    def edit(self, start: int, end: int, shown: str, name: str) -> int:
        """Where it goes on."""
        self.edits.append(Edit(start, end, shown, name))
        return end

    def disarm(self, start: int, name: str) -> int:
        return self.edit(start, start + 1, "‹", name)

    def find(self, mark: str, start: int) -> int:
        """Where the next such mark ends, -1 if there is none; each is looked for once."""
        place = self._marks.get(mark)
        if place is None or 0 <= place < start:
            place = self._marks[mark] = self.text.find(mark, start)
        return place + len(mark) if place >= 0 else -1

    def literal(self, place: int) -> bool:
        """Whether HTML stands here as it is written: no backslash and no backtick counts."""
        return self.layout.html.end_at(place) > 0 and not self.layout.doubtful.end_at(place)

    def block(self, place: int) -> tuple[int, int]:
        """The paragraph, or the block of HTML, or the line around a place: what brackets and backticks pair in."""
        around = self.layout.prose.around(place) or self.layout.html.around(place)
        if around:
            return around
        end = self.text.find("\n", place)
        return self.text.rfind("\n", 0, place) + 1, len(self.text) if end < 0 else end
