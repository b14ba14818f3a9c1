from enum import StrEnum


class Label(StrEnum):
    """What is in an answer; what a caller was given lately is part of the policy's context."""

    CONFIDENTIAL = "confidential"
    """Not for outsiders."""
    PERSONAL = "personal"
    """Tells of people."""
    UNTRUSTED = "untrusted"
    """Holds words of outsiders, which may be meant for the model."""
