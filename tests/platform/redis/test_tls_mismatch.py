"""A URL with TLS for servers without, and the other way round: the line about it names both, and no password."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from adsum.platform.embedded.valkey import Valkey
from adsum.platform.errors import ConfigurationError
from adsum.platform.redis.connection import require_redis
from adsum.platform.redis.tls_mismatch import TlsMismatch, find_mismatch
from tests.support.servers.processes import free_ports, frozen
from tests.support.servers.sentinel import SentinelGroup, running_sentinel_group
from tests.support.servers.tls import Certificate, in_front, new_certificate
from tests.support.servers.valkey import pid_of

SECRET = "a-secret-word"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return new_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def plain(valkey: Valkey) -> Generator[str]:
    """A server without TLS."""
    with in_front(valkey.socket, None) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def encrypted(valkey: Valkey, certificate: Certificate) -> Generator[str]:
    """A server that accepts TLS alone."""
    with in_front(valkey.socket, certificate) as port:
        yield f"127.0.0.1:{port}"


async def refusal(url: str) -> str:
    """The one line for a URL with a password."""
    with pytest.raises(ConfigurationError) as refused:
        await require_redis(url)
    assert SECRET not in refused.value.detail
    assert "\n" not in refused.value.detail
    return refused.value.detail.removeprefix("ADSUM_REDIS_URL: Valkey or Redis cannot be used: ")


async def test_the_server_and_what_to_write_are_named(plain: str, encrypted: str) -> None:
    assert await refusal(f"rediss://:{SECRET}@{plain}") == (
        f"{plain} does not use TLS: write a port with TLS in the URL, or redis:// instead of rediss://"
    )
    assert await refusal(f"redis://:{SECRET}@{encrypted}") == (
        f"{encrypted} uses TLS: write rediss:// in the URL instead of redis://"
    )


async def test_a_server_that_fits_is_used(plain: str, encrypted: str, certificate: Certificate) -> None:
    await require_redis(f"redis://{plain}")
    await require_redis(f"rediss://{encrypted}?ssl_ca_certs={certificate.file}")


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("rediss+cluster://{}", "write a port with TLS in the URL, or redis+cluster:// instead of rediss+cluster://"),
        (
            "rediss+sentinel://{}/adsum",
            (
                "write a port with TLS in the URL, or redis+sentinel:// instead of rediss+sentinel://; "
                "sentinel_ssl=false, if only the primary uses TLS"
            ),
        ),
    ],
)
async def test_several_servers_without_tls_are_named(plain: str, valkey: Valkey, url: str, remedy: str) -> None:
    with in_front(valkey.socket, None) as port:
        servers = f"{plain},127.0.0.1:{port}"
        found = await find_mismatch(url.format(servers))
    assert found == TlsMismatch(f"{servers.replace(',', ', ')} do not use TLS", remedy)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("redis+cluster://{}", "write rediss+cluster:// in the URL instead of redis+cluster://"),
        ("redis+sentinel://{}/adsum", "write rediss+sentinel:// in the URL instead of redis+sentinel://"),
        ("rediss+sentinel://{}/adsum?sentinel_ssl=false", "write sentinel_ssl=true in the URL"),
    ],
)
async def test_the_server_with_tls_among_several_is_named(plain: str, encrypted: str, url: str, remedy: str) -> None:
    found = await find_mismatch(url.format(f"{plain},{encrypted}"))
    assert found == TlsMismatch(f"{encrypted} uses TLS", remedy)


@pytest.fixture
def group() -> Generator[SentinelGroup]:
    with running_sentinel_group() as started:
        yield started


async def test_a_primary_without_tls_is_named_behind_sentinels_that_fit(group: SentinelGroup) -> None:
    encrypted = group.url.replace("redis+sentinel://", "rediss+sentinel://")
    found = await find_mismatch(f"{encrypted}&sentinel_ssl=false")
    assert found == TlsMismatch(
        f"127.0.0.1:{group.primary().port} does not use TLS", "write redis+sentinel:// in the URL, without sentinel_ssl"
    )
    assert await find_mismatch(group.url) is None


async def test_a_certificate_that_is_not_trusted_and_a_missing_server_keep_their_own_reason(encrypted: str) -> None:
    assert "certificate verify failed" in await refusal(f"rediss://:{SECRET}@{encrypted}")
    (nobody,) = free_ports(1)
    for scheme in ("redis", "rediss"):
        assert "TLS" not in await refusal(f"{scheme}://:{SECRET}@127.0.0.1:{nobody}")


async def test_a_server_that_is_frozen_uses_neither(own_valkey: Valkey, certificate: Certificate) -> None:
    with (
        in_front(own_valkey.socket, None) as plain,
        in_front(own_valkey.socket, certificate) as encrypted,
        frozen(pid_of(own_valkey)),
    ):
        assert await find_mismatch(f"redis://127.0.0.1:{plain}") is None
        assert await find_mismatch(f"rediss://127.0.0.1:{plain}") is None
        assert await find_mismatch(f"rediss://127.0.0.1:{encrypted}") is None


async def test_a_unix_socket_has_no_tls(valkey: Valkey) -> None:
    assert await find_mismatch(f"unix://{valkey.socket}") is None
