"""Faults of a provider: it is away, slow, or answers with documents that cannot be used."""

from __future__ import annotations

import asyncio
import socket
import sys
import time

import pytest

from adsum.accounts.access import Role
from adsum.accounts.single_sign_on import provider as provider_module
from adsum.accounts.single_sign_on import transport
from adsum.platform.clock import system_clock
from adsum.platform.errors import UnusableAnswer
from adsum.platform.setting_groups.providers import OidcProvider
from tests.accounts.single_sign_on.conftest import FOR_BROWSERS, Visit
from tests.support.pages import visible_text
from tests.support.providers.strict import Claims, StrictProvider, key
from tests.support.waiting import until

# Each is an attack of its own.
pytestmark = pytest.mark.every_case


async def test_a_provider_that_is_away_delays_nobody(visit: Visit) -> None:
    await visit.adsum.accounts.add_user("admin@school.example", Role.ADMIN, password="correct horse battery")
    visit.provider.faults.statuses["/.well-known/openid-configuration"] = 503
    began = time.monotonic()
    answers = await asyncio.gather(*(visit.open("/sign-in/strict") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {503}
    assert "Strict School does not answer. Adsum itself works." in visible_text(answers[0])
    assert visit.provider.asked["/.well-known/openid-configuration"] == 1
    assert (await visit.open("/sign-in")).status_code == 200
    fields = {"email": "admin@school.example", "password": "correct horse battery"}
    assert (await visit.client.post("/sign-in", headers=FOR_BROWSERS, data=fields)).status_code == 303
    assert time.monotonic() - began < transport.DEADLINE_S


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
@pytest.mark.parametrize("content", [b"x" * (transport.MAX_ANSWER + 1), b"[]", b"<html>", b"[" * 100_000, b"{}"])
async def test_documents_that_cannot_be_used_are_an_outage(visit: Visit, path: str, content: bytes) -> None:
    visit.provider.faults.contents[path] = content
    assert (await visit.open("/sign-in/strict")).status_code == 503


@pytest.mark.parametrize("content", [b"x" * (transport.MAX_ANSWER + 1), b"<html>"])
async def test_a_token_answer_that_cannot_be_used_is_an_outage(visit: Visit, content: bytes) -> None:
    await visit.user()
    landed = await visit.approve(await visit.begin())
    visit.provider.faults.contents["/token"] = content
    assert (await visit.open(landed)).status_code == 503
    assert not await visit.is_signed_in()


async def test_while_too_many_sign_ins_are_finished_another_one_has_to_wait(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visit.user()
    landed = await visit.approve(await visit.begin())
    monkeypatch.setattr(provider_module, "MAX_EXCHANGES", 0)
    assert (await visit.open(landed)).status_code == 503
    assert not await visit.is_signed_in()


async def test_a_provider_at_which_nobody_listens_is_unusable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    requests = transport.Transport()
    with pytest.raises(UnusableAnswer, match="cannot be reached"):
        await requests.get(f"http://127.0.0.1:{port}/")
    await requests.close()


def test_the_libraries_are_imported_before_the_first_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "adsum.accounts.single_sign_on.messages"
    monkeypatch.delitem(sys.modules, name, raising=False)
    provider_module.preload()
    assert name in sys.modules


async def test_a_slow_provider_is_given_up(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    await visit.user()
    landed = await visit.approve(await visit.begin())
    monkeypatch.setattr(transport, "DEADLINE_S", 0.2)
    visit.provider.faults.delays["/token"] = 1.0
    assert (await visit.open(landed)).status_code == 503


async def test_discovery_follows_no_redirect(visit: Visit) -> None:
    visit.provider.faults.statuses["/.well-known/openid-configuration"] = 302
    assert (await visit.open("/sign-in/strict")).status_code == 503


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"},
        {"token_endpoint": "http://token.example/"},
        {"token_endpoint": None},
        {"jwks_uri": ["https://a.example"]},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
    ],
    ids=str,
)
async def test_a_discovery_document_that_is_not_the_providers_is_an_outage(visit: Visit, document: Claims) -> None:
    visit.provider.faults.document = document
    assert (await visit.open("/sign-in/strict")).status_code == 503


async def test_rotated_keys_are_fetched_once(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    await visit.user()
    await visit.sign_in()
    monkeypatch.setattr(provider_module, "PAUSE", provider_module.PAUSE * 0)
    key("rotated")
    visit.provider.key_name = "rotated"
    landed = [await visit.approve(await visit.begin()) for _ in range(3)]
    answers = await asyncio.gather(*(visit.open(each) for each in landed))
    assert [answer.status_code for answer in answers] == [303] * 3
    assert visit.provider.asked["/jwks"] <= 4


async def test_a_fetch_that_is_under_way_ends_with_the_process(provider: StrictProvider) -> None:
    document = "/.well-known/openid-configuration"
    provider.faults.delays[document] = 1.0
    opened = provider_module.Provider(OidcProvider.model_validate(provider.settings()), system_clock)
    opened.warm()

    async def is_asked() -> bool:
        return provider.asked[document] == 1

    await until(is_asked)
    await opened.close()
    assert opened.known is None
