"""TLS in front of a server that has none, and certificates."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of 127.0.0.1 that has signed itself, and its key."""

    file: Path
    key: Path


def new_certificate(folder: Path) -> Certificate:
    """Writes a certificate that is valid for a day."""
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.now(UTC) - timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begin, begin + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    made.file.write_bytes(certificate.public_bytes(Encoding.PEM))
    made.key.touch(mode=0o600)
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


@contextlib.contextmanager
def in_front(server: Path, certificate: Certificate | None) -> Generator[int]:
    """Passes on what arrives at a port of 127.0.0.1 to the unix socket of a server. Yields the port. With a certificate
    it accepts TLS alone, and the server receives what TLS carried, as with stunnel.
    """
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.file, certificate.key)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        thread = threading.Thread(target=lambda: asyncio.run(_serve(listener, context, server, ended)))
        thread.start()
        try:
            yield port
        finally:
            ended.set()
            thread.join()


async def _serve(listener: socket.socket, context: ssl.SSLContext | None, server: Path, ended: threading.Event) -> None:
    async with await asyncio.start_server(partial(_pass_on, server), sock=listener, ssl=context):
        await asyncio.to_thread(ended.wait)


async def _pass_on(server: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        replies, requests = await asyncio.open_unix_connection(server)
        try:
            await asyncio.gather(_copy(reader, requests), _copy(replies, writer))
        finally:
            requests.transport.abort()
    finally:
        writer.transport.abort()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()
