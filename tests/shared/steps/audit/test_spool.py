"""The file that keeps refusals while the store is away, against crashes, other processes and other hands."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.state.keys import KeyRing
from shared.steps.audit.spool import Spool, SpoolFull

RING = KeyRing([b"a" * 32])


def refusal(**facts: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "kind": "call", "outcome": "unaudited", **facts}


@pytest.fixture
def spool(tmp_path: Path) -> Generator[Spool]:
    made = Spool(tmp_path / "spool", RING, 2**20)
    yield made
    made.close()


def taken(folder: Path, ring: KeyRing = RING) -> list[dict[str, Any]]:
    return [record for _path, found in Spool(folder, ring, 2**20).take() for record in found]


def test_what_was_appended_is_on_the_disk_before_append_returns(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def fsync(number: int) -> None:
        synced.append(os.fstat(number).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    for count in (1, 2):
        spool.append([refusal()])
        (path,) = (tmp_path / "spool").iterdir()
        assert len(synced) == count
        assert synced[-1] == path.stat().st_size > 0


def test_nobody_else_may_look_into_the_folder(spool: Spool, tmp_path: Path) -> None:
    spool.append([refusal()])
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_the_file_of_a_living_process_is_left_to_it(spool: Spool, tmp_path: Path) -> None:
    spool.append([refusal(subject="sam")])
    assert taken(tmp_path / "spool") == []
    spool.close()
    assert [found["subject"] for found in taken(tmp_path / "spool")] == ["sam"]


def test_a_line_torn_by_a_crash_is_damaged_and_the_lines_before_it_are_kept(spool: Spool, tmp_path: Path) -> None:
    spool.append([refusal(subject="sam"), refusal(subject="eve")])
    spool.close()
    (path,) = (tmp_path / "spool").iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    kept, torn = taken(tmp_path / "spool")
    assert (kept["subject"], torn["outcome"]) == ("sam", "damaged")


def test_a_line_under_a_key_of_another_ring_is_damaged(spool: Spool, tmp_path: Path) -> None:
    spool.append([refusal()])
    spool.close()
    (found,) = taken(tmp_path / "spool", KeyRing([b"b" * 32]))
    assert found["outcome"] == "damaged"


def test_lines_sealed_before_a_rotation_are_intact(spool: Spool, tmp_path: Path) -> None:
    spool.append([refusal()])
    spool.close()
    (found,) = taken(tmp_path / "spool", KeyRing([b"b" * 32, b"a" * 32]))
    assert found["outcome"] == "unaudited"


def test_a_batch_that_does_not_fit_is_refused_as_a_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", RING, 2000)
    spool.append([refusal()])
    with pytest.raises(SpoolFull):
        spool.append([refusal(), refusal(padding="x" * 2000)])
    spool.close()
    assert len(taken(tmp_path / "spool")) == 1
