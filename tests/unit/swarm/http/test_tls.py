"""TLS: the certificate in use is the one in the file."""

import asyncio
import datetime
import os
import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from foundation.errors import ConfigError
from swarm.http.server import HttpServer, make_app
from swarm.http.tls import ServerTls


def write_certificate(folder: Path, name: str, passphrase: bytes | None = None) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    paths = folder / "cert.pem", folder / "key.pem"
    for path, data in zip(
        paths,
        (certificate.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)),
        strict=True,
    ):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        os.replace(fresh, path)
    return str(paths[0]), str(paths[1])


async def common_name(server: HttpServer) -> str:
    """Of the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", server.address[1], ssl=context)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    der = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    await writer.wait_closed()
    name = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    assert isinstance(name, str)
    return name


async def test_a_certificate_is_served_and_read_again_when_it_changes(tmp_path: Path, service: Any) -> None:
    tls = ServerTls(*write_certificate(tmp_path, "one"))
    server = await HttpServer.start(make_app(service), tls=tls.context)
    assert await common_name(server) == "one"
    assert not tls.reload_if_changed()
    write_certificate(tmp_path, "two")
    assert tls.reload_if_changed()
    assert await common_name(server) == "two"
    await server.close()


async def test_a_certificate_that_does_not_fit_its_key_is_not_used(tmp_path: Path, service: Any) -> None:
    certificate, key = write_certificate(tmp_path, "one")
    tls = ServerTls(certificate, key)
    server = await HttpServer.start(make_app(service), tls=tls.context)
    shutil.copy(key, tmp_path / "old.pem")
    write_certificate(tmp_path, "two")
    shutil.copy(tmp_path / "old.pem", key)
    assert not tls.reload_if_changed()
    assert await common_name(server) == "one"
    write_certificate(tmp_path, "three")
    assert tls.reload_if_changed()
    assert await common_name(server) == "three"
    await server.close()


def test_a_file_that_vanished_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "one")
    tls = ServerTls(certificate, key)
    os.unlink(certificate)
    assert not tls.reload_if_changed()


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_file_is_an_error_with_a_sentence(tmp_path: Path, missing: int) -> None:
    paths = write_certificate(tmp_path, "one")
    os.unlink(paths[missing])
    with pytest.raises(ConfigError, match="No such file"):
        ServerTls(*paths)


def test_a_file_that_is_no_certificate_is_an_error(tmp_path: Path) -> None:
    paths = write_certificate(tmp_path, "one")
    Path(paths[0]).write_text("nothing")
    with pytest.raises(ConfigError, match="--tls-cert"):
        ServerTls(*paths)


def test_an_encrypted_key_is_an_error_and_asks_nobody(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without a passphrase"):
        ServerTls(*write_certificate(tmp_path, "one", b"secret"))
