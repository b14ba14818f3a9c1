import unicodedata


def visible(name: str) -> str:
    """A self-chosen name without what could change how the page around it reads."""
    shown = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    return " ".join(shown.split())[:80] or "a program without a name"
