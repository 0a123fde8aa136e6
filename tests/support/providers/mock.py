"""The provider of `oidc-provider-mock`, a Flask application on Authlib's server."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx2


@contextmanager
def mock_provider(users: dict[str, dict[str, Any]]) -> Generator[str]:
    """Runs the provider with these users, claims by subject. Yields its issuer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses deprecated parts of Authlib
        from oidc_provider_mock import User, run_server_in_thread  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs]
    known = [User(sub=sub, claims=claims) for sub, claims in users.items()]
    with run_server_in_thread(user_claims=known) as server:
        yield f"http://localhost:{server.server_port}"


async def approve(address: str, subject: str) -> str:
    """Signs in on the provider's page, as a person does. Returns the address to which it redirects."""
    async with httpx2.AsyncClient() as client:
        answer = await client.post(address, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]
