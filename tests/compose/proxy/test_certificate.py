from pathlib import Path

import pytest
from cryptography import x509

from compose.proxy.certificate import AUTHORITY, SERVER, keep_certificate

NAMES = ("127.0.0.1", "localhost")


def test_the_authority_can_sign_nothing_else(tmp_path: Path) -> None:
    """Its key is nowhere, and whoever trusted it would believe it about these names alone."""
    keep_certificate(tmp_path, NAMES)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept.keys() == {AUTHORITY, SERVER}
    assert sum(content.count(b"PRIVATE KEY-----") for content in kept.values()) == 2, "begin and end of the server's"
    authority = x509.load_pem_x509_certificate(kept[AUTHORITY])
    permitted = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert permitted.critical
    assert [str(one.value) for one in permitted.value.permitted_subtrees or ()] == ["127.0.0.1/32", "localhost"]


def test_another_name_or_a_broken_file_makes_a_new_one(tmp_path: Path) -> None:
    keep_certificate(tmp_path, NAMES)
    first = (tmp_path / SERVER).read_bytes()
    keep_certificate(tmp_path, NAMES)
    assert (tmp_path / SERVER).read_bytes() == first
    keep_certificate(tmp_path, (*NAMES, "balancer"))
    second = (tmp_path / SERVER).read_bytes()
    assert second != first
    (tmp_path / AUTHORITY).write_text("not PEM")
    keep_certificate(tmp_path, (*NAMES, "balancer"))
    assert (tmp_path / SERVER).read_bytes() != second


@pytest.mark.parametrize("gone", [AUTHORITY, SERVER])
def test_half_a_pair_is_none(tmp_path: Path, gone: str) -> None:
    keep_certificate(tmp_path, NAMES)
    (tmp_path / gone).unlink()
    keep_certificate(tmp_path, NAMES)
    authority = x509.load_pem_x509_certificate((tmp_path / AUTHORITY).read_bytes())
    x509.load_pem_x509_certificate((tmp_path / SERVER).read_bytes()).verify_directly_issued_by(authority)
