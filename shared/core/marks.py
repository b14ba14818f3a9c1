from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exact:
    """Marks text that patterns leave alone: ids, cursors, references."""
