"""Imports that take as little time as they can."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def importing() -> Generator[None]:
    """Around imports: nobody looks for garbage meanwhile, nor ever in what is imported. There is next to none in it,
    and looking for it would be a tenth of the time that a start takes.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
