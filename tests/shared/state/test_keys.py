"""Keys: who may read them, who agrees on them, and what opens what."""

import base64
import hashlib
import hmac
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.keys import CannotOpen, Key, KeyRing, load_keys

OLD, NEW = b"o" * 32, b"n" * 32
RING = KeyRing([NEW])


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_was_sealed_opens_again_and_is_sealed_differently_each_time(plain: bytes, bound_to: bytes) -> None:
    one, two = RING.seal(plain, bound_to), RING.seal(plain, bound_to)
    assert RING.open(one, bound_to) == RING.open(two, bound_to) == plain
    assert one != two
    assert len(plain) < 4 or plain not in one


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_it_opens_only_for_what_it_was_bound_to(plain: bytes, bound_to: bytes, other: bytes) -> None:
    sealed = RING.seal(plain, bound_to)
    if other != bound_to:
        with pytest.raises(CannotOpen):
            RING.open(sealed, other)


def test_a_changed_byte_anywhere_or_a_missing_one_does_not_open() -> None:
    sealed = RING.seal(b"forty-two", b"here")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(CannotOpen):
            RING.open(bytes(changed), b"here")
        with pytest.raises(CannotOpen):
            RING.open(sealed[:place], b"here")
    with pytest.raises(CannotOpen):
        RING.open(sealed + b"\0", b"here")


def test_after_a_rotation_the_old_still_opens_and_the_new_seals() -> None:
    before = KeyRing([OLD]).seal(b"kept", b"")
    rotated = KeyRing([NEW, OLD])
    assert rotated.open(before, b"") == b"kept"
    assert RING.open(rotated.seal(b"fresh", b""), b"") == b"fresh"


def test_what_a_retired_key_sealed_does_not_open() -> None:
    with pytest.raises(CannotOpen, match="not in the ring"):
        RING.open(KeyRing([OLD]).seal(b"gone", b""), b"")


def test_a_mac_is_verified_under_the_key_it_names() -> None:
    before, rotated = KeyRing([OLD]), KeyRing([NEW, OLD])
    assert rotated.mac(b"text", before.mac_id) == before.mac(b"text")
    assert rotated.mac(b"text") == rotated.mac(b"text", rotated.mac_id) != before.mac(b"text")


@pytest.mark.parametrize("key_id", [KeyRing([OLD]).mac_id, "", "no hex", "abc", "00" * 400])
def test_a_mac_under_a_key_that_is_not_there_cannot_be_had(key_id: str) -> None:
    with pytest.raises(CannotOpen):
        RING.mac(b"text", key_id)


def test_sealing_and_signing_use_keys_of_their_own() -> None:
    key = Key(NEW)
    assert RING.mac(b"text") == hmac.new(key.mac_key, b"text", hashlib.sha256).digest()
    assert RING.mac(b"text") != hmac.new(NEW, b"text", hashlib.sha256).digest()
    sealed = RING.seal(b"text", b"")
    for secret in (NEW, key.mac_key):
        with pytest.raises(InvalidTag):
            AESGCM(secret).decrypt(sealed[4:16], sealed[16:], b"")


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Misconfigured, match="32 random bytes"):
        KeyRing([NEW, b"k" * length])


def test_a_ring_without_keys_is_refused() -> None:
    with pytest.raises(Misconfigured, match="at least one"):
        KeyRing([])


@pytest.mark.parametrize("text", ["not base64!", base64.b64encode(NEW).decode()[:-1], "ключ", "%" * 44])
def test_a_key_that_is_no_base64_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(Misconfigured, match="the ledger keys are not base64") as told:
        load_keys(Settings(data_dir=tmp_path, ledger_keys=(SecretStr(text),)))
    assert text not in str(told.value)
    assert told.value.__cause__ is None


def test_configured_keys_are_used_and_none_is_made_beside_them(tmp_path: Path) -> None:
    secret = (SecretStr(base64.b64encode(NEW).decode()),)
    rings = ("audit_keys", "ledger_keys", "cursor_keys", "session_keys", "state_keys")
    keys = load_keys(Settings.model_validate({"data_dir": tmp_path, **dict.fromkeys(rings, secret)}))
    assert {ring.mac_id for ring in vars(keys).values()} == {RING.mac_id}
    assert list(tmp_path.iterdir()) == []


def test_a_laptop_makes_a_key_for_each_use_that_its_owner_alone_may_read(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        keys = load_keys(Settings(data_dir=tmp_path))
    finally:
        os.umask(mask)
    files = sorted((tmp_path / "keys").iterdir())
    assert [file.name for file in files] == ["audit.key", "cursors.key", "ledger.key", "sessions.key", "states.key"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert len({ring.mac_id for ring in vars(keys).values()}) == 5
    assert load_keys(Settings(data_dir=tmp_path)).audit.open(keys.audit.seal(b"kept", b""), b"") == b"kept"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_file_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    load_keys(Settings(data_dir=tmp_path))
    file = tmp_path / "keys" / "audit.key"
    file.chmod(mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        load_keys(Settings(data_dir=tmp_path))


@pytest.mark.parametrize("text", ["", "\n", "AAAA\n"])
def test_a_key_file_without_a_whole_key_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    load_keys(Settings(data_dir=tmp_path))
    file = tmp_path / "keys" / "audit.key"
    file.write_text(text)
    with pytest.raises(Misconfigured, match="key"):
        load_keys(Settings(data_dir=tmp_path))
    assert file.read_text() == text


def test_a_line_put_in_front_of_a_key_file_rotates_it(tmp_path: Path) -> None:
    before = load_keys(Settings(data_dir=tmp_path)).ledger
    file = tmp_path / "keys" / "ledger.key"
    file.write_text(base64.b64encode(NEW).decode() + "\n" + file.read_text())
    after = load_keys(Settings(data_dir=tmp_path)).ledger
    assert after.open(before.seal(b"kept", b""), b"") == b"kept"
    assert after.mac_id == RING.mac_id


AT_ONCE = """
import sys
from pathlib import Path
from shared.core.settings import Settings
from shared.state.keys import load_keys
print(flush=True)
sys.stdin.readline()
for number in range(30):
    keys = load_keys(Settings(data_dir=Path(sys.argv[1]) / str(number)))
    print(keys.audit.mac_id, keys.ledger.mac_id, keys.cursors.mac_id)
"""


def test_two_processes_that_start_at_once_agree_on_every_key(tmp_path: Path) -> None:
    words = [sys.executable, "-c", AT_ONCE, str(tmp_path)]
    root = Path(__file__).parents[3]
    both = [
        subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        process.stdout.readline()
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    first, second = (process.communicate(timeout=30)[0].split() for process in both)
    assert first == second
    assert len(set(first)) == 90
    assert {file.suffix for file in tmp_path.glob("*/keys/*")} == {".key"}
