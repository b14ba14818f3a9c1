"""Lines to stderr: a reader that does not read holds nobody up."""

import os
import subprocess
import sys
import time
from collections.abc import Generator

import pytest

from shared.core.metrics import TELEMETRY_DROPPED
from shared.ops.lines import Lines

LINE = "x" * 99 + "\n"


@pytest.fixture
def pipe() -> Generator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_lines_come_out_whole_and_in_order(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = Lines(writing)
    for number in range(100):
        lines.write(f"line {number}\n")
    lines.drain()
    assert os.read(reading, 10_000).decode().splitlines() == [f"line {number}" for number in range(100)]


def test_a_reader_that_does_not_read_costs_lines_and_no_time(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    before = TELEMETRY_DROPPED.value("log_lines", "queue_full")
    lines = Lines(writing)
    began = time.monotonic()
    for _ in range(30_000):
        lines.write(LINE)
    assert time.monotonic() - began < 5
    # The thread has taken as many as fit at most, and as many wait.
    assert TELEMETRY_DROPPED.value("log_lines", "queue_full") - before >= 10_000


def test_waiting_for_the_rest_has_an_end(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    lines = Lines(writing)
    for _ in range(2_000):
        lines.write(LINE)
    began = time.monotonic()
    lines.drain(0.2)
    assert time.monotonic() - began < 2


def test_a_reader_that_went_away_is_no_error(pipe: tuple[int, int]) -> None:
    reading, writing = os.pipe()
    lines = Lines(writing)
    os.close(reading)
    lines.write(LINE)
    lines.drain(0.2)
    os.close(writing)


def test_a_process_that_ends_says_everything_first() -> None:
    said = "from shared.ops.lines import Lines\nlines = Lines(2)\nfor n in range(5000): lines.write(f'line {n}\\n')"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.splitlines() == [f"line {number}" for number in range(5000)]


def test_a_process_whose_lines_nobody_reads_ends_all_the_same() -> None:
    said = "from shared.ops.lines import Lines\nlines = Lines(2)\nfor n in range(5000): lines.write('x' * 99 + '\\n')"
    running = subprocess.Popen([sys.executable, "-c", said], stderr=subprocess.PIPE)
    assert running.wait(30) == 0
    assert running.stderr is not None
    running.stderr.close()
