"""What could pass for the frame of a conversation: marks that say who speaks, or that a tool is called.

In prose anything that resembles one is made plain. In code only what is one: generic types (`Vec<User>`), components
(`<User />`), placeholders (`/home/<user>/`), indices (`x[SYS]`) and comparisons stay as they were written.
"""

import re
from collections.abc import Callable, Iterable

_LOOSE = re.compile(
    r"<\s*\|\s*(?P<token>[^|<>\n]{1,60}?)\s*\|\s*>"  # <|im_start|> and its kin
    r"|<\s*(?P<frame>/?\s*(?:system|assistant|user|human|developer|instructions?|tool_(?:call|result|use)"
    r"|function_(?:calls?|results?)|invoke|thinking|[a-z]{2,10}:(?:function_calls|invoke|parameter))\b[^<>\n]{0,200})>"
    r"|\[\s*(?P<bracket>/?\s*(?:INST|SYS|SYSTEM))\s*\]"
    r"|<<\s*(?P<angle>/?\s*SYS)\s*>>"
    r"|(?m:^[ \t>#*_]*(?P<turn>system|assistant|human|user|developer)[ \t*_]*(?::|：))",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"^(?P<before>[ \t>#*_+-]*)(?P<turn>system|assistant|human|user|developer)(?=[ \t*_]*(?::|：))",
    re.IGNORECASE | re.MULTILINE,
)
_ALONE = r"(?<![\w./:=@\-]<)"
_STRICT = re.compile(
    r"[<\[](?:(?<=<)(?:"
    r"\|(?P<token>/?[\w.:/-]{1,40})\|"
    r"|｜(?P<wide>[^｜<>\n]{1,40})｜"  # with full-width bars
    r"|(?P<special>/?(?:(?:start|end)_of_(?:turn|image|text)|bos|eos|extra_id_\d{1,3}|reserved_\d{1,3}))"
    r"|<(?P<angle>/?SYS)>"
    r"|(?P<frame>/?(?:system|assistant|SYSTEM|ASSISTANT|[a-z]{2,10}:(?:function_calls|invoke|parameter)"
    r"|tool_(?:calls?|results?|use|responses?)|function_(?:calls?|results?)|invoke|thinking|think)"
    r"(?:\s[^<>\n]{0,200})?)"
    rf"|(?P<weak>(?:/|{_ALONE})(?:user|human|developer|instructions?|USER|HUMAN|DEVELOPER|INSTRUCTIONS?))"
    rf"|{_ALONE}(?P<capital>/?(?:System|Assistant|User|Human|Developer|Instructions?))"
    r")>"
    r"|(?<![\w)]\[)(?P<bracket>/?(?:INST|SYS|SYSTEM|SYSTEM_PROMPT|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS))\])"
)


def _plain(match: re.Match[str]) -> str:
    """The marker's words in brackets no model was trained on as a frame."""
    groups = match.groupdict()
    if turn := groups.get("turn"):
        return match[0].replace(turn, f"‹{turn}›", 1)
    words = next(group for group in match.groups() if group is not None)
    return f"‹{words}›"


def without_frames(text: str, found: dict[str, None], *, strict: bool = False) -> str:
    """The text with its frames made plain; `found` gets `marker`.

    Args:
        text: Any text.
        found: What was found.
        strict: Only what is a frame also in code, and no turns (`Human:`).
    """
    return told(_STRICT if strict else _LOOSE, _plain, text, "marker", found)


def frame_at(text: str, at: int) -> tuple[int, str] | None:
    """Where the frame that begins here in prose ends, and its plain words."""
    match = _LOOSE.match(text, at)
    return (match.end(), _plain(match)) if match and match["turn"] is None else None


def turns(text: str) -> Iterable[tuple[int, int]]:
    """Where a line begins with somebody's name and a colon: the name."""
    return ((match.start("turn"), match.end("turn")) for match in _TURN.finditer(text))


def told(
    pattern: re.Pattern[str], shown: Callable[[re.Match[str]], str], text: str, name: str, found: dict[str, None]
) -> str:
    """Replace until nothing is left to replace: taking one marker apart may put another together."""
    while (changed := pattern.sub(shown, text)) != text:
        found[name] = None
        text = changed
    return text
