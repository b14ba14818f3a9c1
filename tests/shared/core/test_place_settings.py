"""Where files are kept, whatever folder a client starts a server in."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.core import place_settings
from shared.core.settings import Settings
from shared.core.sources import settings_of


def test_an_empty_data_folder_does_not_mean_the_one_we_are_in() -> None:
    with pytest.raises(ValidationError, match="names no folder"):
        settings_of({"SUITE_DATA_DIR": ""}, Settings)


@pytest.mark.parametrize("named", ["~/suite", "kept/here"])
def test_a_data_folder_is_the_same_wherever_a_process_is_started(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = settings_of({"SUITE_DATA_DIR": named}, Settings).data_dir
    assert found == tmp_path / named.removeprefix("~/")


def test_a_user_without_a_home_can_name_a_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert place_settings.home() == Path("/")
