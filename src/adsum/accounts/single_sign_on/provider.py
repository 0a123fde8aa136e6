"""One provider: its documents, which are fetched in the background, and the requests to it.

The libraries for the protocol take half a second and 30 MB, so they are imported when the first provider is used; in
the API process, which has no time for that later, by `preload` if there are providers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from adsum.accounts.single_sign_on.rules import (
    Identity,
    Metadata,
    ProviderUnavailable,
    Refusal,
    SignInRefused,
    identity_of,
    is_subject,
    keys_of,
    metadata_of,
    session_hash,
)
from adsum.platform.cancellation import end
from adsum.platform.clock import Clock
from adsum.platform.errors import Overloaded, UnusableAnswer
from adsum.platform.setting_groups.providers import OidcProvider
from adsum.platform.telemetry import logger

if TYPE_CHECKING:
    from adsum.accounts.single_sign_on.jwts import Signer
    from adsum.accounts.single_sign_on.transport import Transport

# Older documents are used while newer ones are fetched.
FRESH_FOR = timedelta(hours=1)
# Much older ones are not used any more: a key may have been withdrawn.
USABLE_FOR = timedelta(days=1)
# Between two fetches, so that neither failures nor unknown keys cause many.
PAUSE = timedelta(seconds=10)
# Sign-ins at this provider that are finished at once.
MAX_EXCHANGES = 50
WELL_KNOWN = "/.well-known/openid-configuration"

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Documents:
    """The discovery document of a provider, and its public keys."""

    metadata: Metadata
    keys: Sequence[Mapping[str, Any]]
    fetched_at: datetime

    def has_key(self, key_id: str | None) -> bool:
        """Whether the key with this id is there; without an id, whether there is any."""
        return any(key_id in (None, key.get("kid")) for key in self.keys)


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A provider's request to end sign-ins: those of a session, or all of a subject. One of the two is None at most."""

    token_id: str
    subject: str | None
    session: str | None


class Provider:
    """The documents of a provider are fetched when they are first needed, then in the background once an hour.

    A provider that is away is asked every ten seconds at most, whatever the number of sign-ins. They fail at once.

    Args:
        settings: of this provider.
        now: the clock.
        transport: opens the connections; None: `Transport`.
    """

    def __init__(self, settings: OidcProvider, now: Clock, transport: Callable[[], Transport] | None = None) -> None:
        self.settings = settings
        self._now = now
        self._new_transport = transport or _new_transport
        self._opened: Transport | None = None
        self._documents: Documents | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._tried_at: datetime | None = None
        self._exchanges = 0

    def warm(self) -> None:
        """Fetches the documents in the background if they are missing or not fresh."""
        if self._documents is None or self._age_of(self._documents) >= FRESH_FOR:
            self._begin_fetching()

    @property
    def known(self) -> Documents | None:
        """The documents, if they are there. Waits for nothing."""
        found = self._documents
        return found if found is not None and self._age_of(found) < USABLE_FOR else None

    async def documents(self) -> Documents:
        """The documents. Raises ProviderUnavailable."""
        self.warm()
        if self.known is None:
            await self._fetched()
        if (found := self.known) is None:
            raise ProviderUnavailable("the provider does not answer", retryAfter=int(PAUSE.total_seconds()))
        return found

    async def authorization_address(
        self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str, asks_again: bool = False
    ) -> str:
        """The address at which the provider signs a user in. Raises ProviderUnavailable."""
        from adsum.accounts.single_sign_on import messages  # noqa: PLC0415

        return messages.authorization_address(
            self.settings,
            (await self.documents()).metadata,
            redirect_uri=redirect_uri,
            state=state,
            nonce=nonce,
            code_verifier=code_verifier,
            asks_again=asks_again,
        )

    async def identity(self, *, code: str, redirect_uri: str, nonce: str, code_verifier: str) -> Identity:
        """Exchanges a code for the identity of the user.

        Raises:
            SignInRefused: the code, or the ID token, is refused.
            ProviderUnavailable: the provider does not answer.
            Overloaded: too many sign-ins are being finished.
        """
        if self._exchanges >= MAX_EXCHANGES:
            raise Overloaded("too many people are signing in: try again in a few seconds")
        self._exchanges += 1
        try:
            metadata = (await self.documents()).metadata
            token = await self._exchanged(metadata, code=code, redirect_uri=redirect_uri, code_verifier=code_verifier)
            claims = await self._claims_of(token, nonce)
            return identity_of(claims, self.settings)
        except UnusableAnswer as error:
            raise self._untrusted(error) from None
        finally:
            self._exchanges -= 1

    async def logout_request(self, token: str) -> LogoutRequest:
        """Verifies a logout token. Raises UnusableAnswer, ProviderUnavailable."""
        from adsum.accounts.single_sign_on import jwts  # noqa: PLC0415

        signer = await self._signer_of(token)
        claims = jwts.claims_of_logout_token(token, signer, self._now())
        token_id, subject = claims["jti"], claims.get("sub")
        session = session_hash(self.settings.issuer, claims.get("sid"))
        is_unusable = subject is not None and not is_subject(subject)
        if not isinstance(token_id, str) or is_unusable or (subject is None and session is None):
            raise UnusableAnswer("the logout token names nobody")
        return LogoutRequest(token_id, subject, session)

    def sign_out_address(self, *, redirect_uri: str, state: str) -> str | None:
        """The address at which the provider signs a user out; None: it has none, or is not known yet."""
        from adsum.accounts.single_sign_on import messages  # noqa: PLC0415

        endpoint = self.known.metadata.end_session_endpoint if self.known is not None else None
        if endpoint is None:
            return None
        return messages.sign_out_address(self.settings, endpoint, redirect_uri=redirect_uri, state=state)

    async def close(self) -> None:
        """Ends the fetch that is under way, and closes the connections."""
        if self._fetching is not None:
            await end([self._fetching])
        if self._opened is not None:
            await self._opened.close()

    @property
    def _transport(self) -> Transport:
        if self._opened is None:
            self._opened = self._new_transport()
        return self._opened

    def _age_of(self, documents: Documents) -> timedelta:
        return self._now() - documents.fetched_at

    async def _fetched(self) -> None:
        """Waits for the fetch that is under way, or begins one unless the last one was a moment ago."""
        self._begin_fetching()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _begin_fetching(self) -> None:
        now = self._now()
        if self._fetching is not None or (self._tried_at is not None and now - self._tried_at < PAUSE):
            return
        self._tried_at = now
        self._fetching = asyncio.create_task(self._fetch(), context=Context())

    async def _fetch(self) -> None:
        """Replaces the documents. A failure is logged, and leaves the earlier ones."""
        name = self.settings.name
        try:
            document = await self._transport.get(self.settings.issuer.rstrip("/") + WELL_KNOWN)
            metadata = metadata_of(document, self.settings)
            keys = keys_of(await self._transport.get(metadata.jwks_uri))
            self._documents = Documents(metadata, keys, self._now())
        except UnusableAnswer as error:
            log.warning("provider cannot be used", provider=name, error=str(error))
        finally:
            self._fetching = None

    async def _exchanged(self, metadata: Metadata, *, code: str, redirect_uri: str, code_verifier: str) -> _Tokens:
        from adsum.accounts.single_sign_on import messages  # noqa: PLC0415

        body, headers = messages.token_request(
            self.settings, metadata, code=code, redirect_uri=redirect_uri, code_verifier=code_verifier
        )
        status, answer = await self._available(lambda: self._transport.post(metadata.token_endpoint, body, headers))
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if status != 200 or not isinstance(id_token, str):
            # `error` is a word of RFC 6749, such as invalid_client: wrong settings.
            word = answer.get("error")
            raise UnusableAnswer(f"it exchanged no code: {word[:40] if isinstance(word, str) else status}")
        return _Tokens(id_token, access_token if isinstance(access_token, str) else None)

    async def _claims_of(self, token: _Tokens, nonce: str) -> dict[str, Any]:
        """The claims of the ID token; if it names no email, with those of the UserInfo endpoint."""
        from adsum.accounts.single_sign_on import jwts  # noqa: PLC0415

        signer = await self._signer_of(token.id_token)
        claims = jwts.claims_of_id_token(
            token.id_token, signer, self._now(), nonce=nonce, access_token=token.access_token
        )
        endpoint = (await self.documents()).metadata.userinfo_endpoint
        if self.settings.email_claim in claims or endpoint is None or token.access_token is None:
            return claims
        headers = {"Authorization": f"Bearer {token.access_token}"}
        found = await self._available(lambda: self._transport.get(endpoint, headers))
        if found.get("sub") != claims.get("sub"):
            raise UnusableAnswer("the user information is of another subject")
        return found | claims

    async def _signer_of(self, token: str) -> Signer:
        """Fetches the keys again if the token is signed with an unknown one: the provider may have rotated them."""
        from adsum.accounts.single_sign_on import jwts  # noqa: PLC0415

        documents, key_id = await self.documents(), jwts.key_id_of(token)
        if not documents.has_key(key_id):
            await self._fetched()
            documents = await self.documents()
        settings = self.settings
        return jwts.Signer(settings.issuer, settings.client_id, documents.keys, documents.metadata.algorithms)

    async def _available(self, request: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await request()
        except UnusableAnswer as error:
            log.warning("provider cannot be used", provider=self.settings.name, error=str(error))
            detail = "the provider does not answer"
            raise ProviderUnavailable(detail, retryAfter=int(PAUSE.total_seconds())) from None

    def _untrusted(self, error: UnusableAnswer) -> SignInRefused:
        log.warning("sign-in at a provider refused", provider=self.settings.name, error=str(error))
        return SignInRefused(Refusal.UNTRUSTED, "the answer of the provider is not valid")


@dataclass(frozen=True, slots=True)
class _Tokens:
    id_token: str
    access_token: str | None


def preload() -> None:
    """Imports the libraries."""
    for name in ("jwts", "messages", "transport"):
        import_module(f"adsum.accounts.single_sign_on.{name}")


def _new_transport() -> Transport:
    from adsum.accounts.single_sign_on.transport import Transport  # noqa: PLC0415

    return Transport()
