"""Settings that come as files, beside those of the environment."""

import os
from pathlib import Path

import pytest

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.core.sources import settings_of
from shared.ops import secret_files
from shared.ops.variables import Gathered, gather


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, content: bytes | str, mode: int = 0o400) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def gathered(folder: Path, **environment: str) -> Gathered:
    return gather({"SUITE_SECRETS_DIR": str(folder), **environment})


def test_a_file_sets_what_its_name_says_and_one_newline_at_its_end_does_not_count(folder: Path) -> None:
    put(folder, "suite_database_url", "postgresql://db/suite\n")
    put(folder, "suite_audit_keys", "one two\r\n")
    put(folder, "suite_issuers__main__url", "https://login.example.com")
    put(folder, "suite_issuers__main__client_id", "suite")
    put(folder, "suite_issuers__main__client_secret", " kept as it is \n\n")
    settings = settings_of(gathered(folder).values, Settings)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://db/suite"
    assert [key.get_secret_value() for key in settings.audit_keys] == ["one", "two"]
    secret = settings.issuers["main"].client_secret
    assert secret is not None
    assert secret.get_secret_value() == " kept as it is \n"


def test_the_environment_goes_before_files(folder: Path) -> None:
    put(folder, "suite_port", "1")
    put(folder, "suite_redis_url", "redis://file")
    found = gathered(folder, SUITE_PORT="2", REDIS_URL="redis://usual")
    assert found.values["SUITE_PORT"] == "2"
    redis = settings_of(found.values, Settings).redis_url
    assert redis is not None
    assert redis.get_secret_value() == "redis://file", "our own name goes before the usual one, wherever it is"


def test_names_in_the_environment_may_be_written_in_any_case_as_ever(folder: Path) -> None:
    assert gathered(folder, suite_port="1").values["SUITE_PORT"] == "1"
    assert gathered(folder, suite_port="1", SUITE_PORT="2").values["SUITE_PORT"] == "2"


def test_folders_and_files_of_other_names_are_somebody_elses(folder: Path) -> None:
    put(folder, "tls.crt", b"\xff")
    put(folder, "database_url", "x")
    (folder / "..data").mkdir()
    assert gathered(folder).values.keys() == {"SUITE_SECRETS_DIR"}


def test_links_are_followed_as_kubernetes_makes_them(folder: Path) -> None:
    (folder / "..2026").mkdir()
    put(folder / "..2026", "suite_port", "7")
    (folder / "suite_port").symlink_to(Path("..2026") / "suite_port")
    assert gathered(folder).values["SUITE_PORT"] == "7"


def test_a_misspelt_file_is_told_with_its_path(folder: Path) -> None:
    path = put(folder, "suite_databse_url", "x")
    assert gathered(folder).misspelt == [f"SUITE_DATABSE_URL ({path}) is no setting: do you mean SUITE_DATABASE_URL?"]


def test_all_files_that_cannot_be_used_are_named(folder: Path) -> None:
    put(folder, "suite_a", b"\xff\xfe")
    put(folder, "suite_b", "\n")
    put(folder, "suite_c", "x\0y")
    put(folder, "SUITE_D", "x")
    (folder / "suite_e").mkdir()
    (folder / "suite_f").symlink_to("gone")
    put(folder, "suite_g", "x", 0o606)
    put(folder, "suite_h", "x" * (2**20 + 1))
    with pytest.raises(Misconfigured) as refused:
        gathered(folder)
    for name in ("suite_a", "suite_b", "suite_c", "SUITE_D", "suite_e", "suite_f", "suite_g", "suite_h"):
        assert str(folder / name) in str(refused.value)
    assert str(refused.value).count("; ") == 7


def test_a_folder_that_was_named_has_to_be_there_and_the_usual_one_does_not(folder: Path) -> None:
    assert secret_files.read(folder / "none", wanted=False) == []
    with pytest.raises(Misconfigured, match=r"SUITE_SECRETS_DIR is .*none: there is no such folder"):
        gathered(folder / "none")


def test_the_folder_is_named_by_the_environment_alone(folder: Path) -> None:
    put(folder, "suite_secrets_dir", "/elsewhere")
    with pytest.raises(Misconfigured, match="set in the environment alone"):
        gathered(folder)


def test_a_file_that_others_can_read_is_warned_of(folder: Path) -> None:
    path = put(folder, "suite_port", "1", 0o444)
    assert gathered(folder).warnings == (
        f"anybody on this machine can read the file of SUITE_PORT ({path}): chmod 0400 it",
    )
    path.chmod(0o440)
    assert gathered(folder).warnings == ()


def test_files_mounted_read_only_may_be_readable_as_containers_are_given_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "suite_port", "1", 0o666)
    real = os.fstatvfs(0)
    as_mounted = os.statvfs_result([*real[:8], real.f_flag | os.ST_RDONLY, *real[9:]])
    monkeypatch.setattr(os, "fstatvfs", lambda _file: as_mounted)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - a descriptor
    assert gathered(folder).warnings == ()
    assert gathered(folder).values["SUITE_PORT"] == "1"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever may read everything is refused nothing")
def test_a_file_that_we_may_not_read_is_named(folder: Path) -> None:
    path = put(folder, "suite_port", "1", 0)
    with pytest.raises(Misconfigured, match=f"cannot read {path} .Permission denied."):
        gathered(folder)
