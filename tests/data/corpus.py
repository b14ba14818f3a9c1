"""A large folder of real documents that is not ours, and so not here: where it is, if it is anywhere.

SUITE_TEST_CORPUS   the folder; else `../shared/data/documents`, beside the repository
"""

import os
from pathlib import Path

_BESIDE = Path(__file__).parents[3] / "shared" / "data" / "documents"

FOLDER = Path(os.environ.get("SUITE_TEST_CORPUS", _BESIDE))
"""The documentation of the Model Context Protocol as it was when the tables of the tests were made: 345 files."""

MISSING = not FOLDER.is_dir()
WHY = "the corpus is not on this machine: SUITE_TEST_CORPUS names its folder"
