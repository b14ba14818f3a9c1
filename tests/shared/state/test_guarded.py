import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.state.guarded import (
    Address,
    Guarded,
    NotAllowed,
    Resolve,
    addresses,
    is_loopback_address,
    is_public_address,
)

pytestmark = pytest.mark.anyio


def resolving_to(*found: str) -> Resolve:
    async def resolve(name: str, port: int) -> Sequence[Address]:
        return [ip_address(address) for address in found]

    return resolve


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_public_internet_are_public(address: str) -> None:
    assert is_public_address(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1"),
        "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    ],
)
def test_addresses_of_nobody_else_are(address: str) -> None:
    assert not is_public_address(ip_address(address))


async def test_one_refused_address_among_good_ones_refuses_the_name() -> None:
    sent: list[httpx.Request] = []
    inner = httpx.MockTransport(lambda request: sent.append(request) or httpx.Response(200))
    guarded = Guarded(is_public_address, resolve=resolving_to("8.8.8.8", "10.0.0.1"), inner=inner)
    async with httpx.AsyncClient(transport=guarded) as client:
        with pytest.raises(NotAllowed):
            await client.get("https://public.example/")
    assert sent == []


async def test_a_name_is_resolved_once_so_that_it_cannot_be_rebound() -> None:
    answers = [["8.8.8.8"], ["127.0.0.1"]]
    asked: list[str] = []

    async def resolve(name: str, port: int) -> Sequence[Address]:
        return [ip_address(address) for address in answers.pop(0)]

    inner = httpx.MockTransport(lambda request: asked.append(request.url.host) or httpx.Response(200))
    async with httpx.AsyncClient(transport=Guarded(is_public_address, resolve=resolve, inner=inner)) as client:
        await client.get("https://public.example/")
    assert (asked, len(answers)) == (["8.8.8.8"], 1)


async def test_the_next_address_is_tried_when_one_cannot_be_reached() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        if request.url.host == "2606:4700:4700::1111":
            raise httpx.ConnectError("no route")
        return httpx.Response(200)

    both = resolving_to("2606:4700:4700::1111", "8.8.8.8")
    guarded = Guarded(is_public_address, resolve=both, inner=httpx.MockTransport(answer))
    async with httpx.AsyncClient(transport=guarded) as client:
        assert (await client.get("https://public.example/")).status_code == 200
    assert asked == ["2606:4700:4700::1111", "8.8.8.8"]


async def test_the_machines_own_resolver_is_asked() -> None:
    assert ip_address("127.0.0.1") in await addresses("localhost", 80)
    with pytest.raises(httpx.ConnectError, match="does not resolve"):
        await addresses("no-such-name.invalid", 443)


@pytest.mark.parametrize(("name", "reached"), [("client.example", True), ("other.example", False)])
async def test_the_certificate_is_checked_against_the_name_not_the_address(
    tmp_path: Path, name: str, reached: bool
) -> None:
    certificate = _certificate(tmp_path, "client.example")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving)
    port = server.sockets[0].getsockname()[1]
    inner = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(cafile=str(certificate)))
    guarded = Guarded(is_loopback_address, resolve=resolving_to("127.0.0.1"), inner=inner)
    outcome = ""
    async with server, httpx.AsyncClient(transport=guarded) as client:
        try:
            outcome = str((await client.get(f"https://{name}:{port}/")).status_code)
        except httpx.ConnectError as error:
            outcome = str(error)
    assert (outcome == "204", "CERTIFICATE_VERIFY_FAILED" in outcome) == (reached, not reached)


def _certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
