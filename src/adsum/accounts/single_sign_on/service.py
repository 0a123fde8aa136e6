"""Signs users in at OpenID Connect providers, and out there."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adsum.accounts.audit.failures import FailedSignIns
from adsum.accounts.audit.repository import record_about_user
from adsum.accounts.audit.rules import Action
from adsum.accounts.rules import User
from adsum.accounts.sign_ins.repository import ProviderSession
from adsum.accounts.sign_ins.rules import SignInClient
from adsum.accounts.sign_ins.second_step import SecondStep
from adsum.accounts.sign_ins.service import HalfWaySignIn, NewSignIn
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.accounts.single_sign_on import repository as statements
from adsum.accounts.single_sign_on.attempts import LIFETIME, Attempts, Invitation, SignOnAttempt
from adsum.accounts.single_sign_on.identities import Identities
from adsum.accounts.single_sign_on.provider import Provider
from adsum.accounts.single_sign_on.rules import Identity, Refusal, SignInRefused
from adsum.platform.addresses import source_of
from adsum.platform.database.engine import Database
from adsum.platform.errors import Malformed, NotFound, TooManyAttempts, Unauthenticated, UnusableAnswer
from adsum.platform.redis.attempts import AttemptLimit, FailedAttempts
from adsum.platform.telemetry import logger

# Of answers that are not valid: there is nothing to guess, but each may cost a request to the provider. A school with
# 200 teachers shares one address.
BY_ADDRESS = AttemptLimit("provider-address", 300, 15 * 60)
# An attempt is used once, also if its cookie is kept.
ONCE = AttemptLimit("provider-attempt", 1, int(LIFETIME.total_seconds()) + 60)
# A logout token is used once. Those of a provider are valid for minutes.
TOKEN_ONCE = AttemptLimit("logout-token", 1, 24 * 3600)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class ProviderButton:
    """A provider on the sign-in page."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that has begun: where the browser goes, and the cookie that it keeps."""

    address: str
    attempt_id: str
    cookie: str


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """The answer of a provider, which the browser has carried.

    Attributes:
        issuer: `iss`; None: the provider does not send it.
        state, code, error: None: missing.
        cookie: of the attempt that `state` names.
    """

    state: str | None
    code: str | None
    error: str | None
    issuer: str | None
    cookie: str | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A user has signed in, or is asked for the second factor first, and sees this page next."""

    signed: NewSignIn | HalfWaySignIn
    path: str


@dataclass(frozen=True, slots=True)
class ProviderSignOut:
    """How a browser signs out at the provider, too.

    Attributes:
        label: of the provider.
        address: where it signs people out; None: the provider has no such page.
        state: which the provider sends back.
    """

    label: str
    address: str | None
    state: str


class SingleSignOn:
    """Begins and finishes sign-ins at providers.

    Args:
        providers: by name.
        attempts: signs the cookies of attempts.
        limits: counts refused attempts, and those that are used.
        failures: records refused attempts.
    """

    def __init__(
        self,
        database: Database,
        providers: Mapping[str, Provider],
        identities: Identities,
        tokens: Tokens,
        second_step: SecondStep,
        attempts: Attempts,
        limits: FailedAttempts,
        failures: FailedSignIns,
    ) -> None:
        self._database = database
        self._providers = providers
        self._identities = identities
        self._tokens = tokens
        self._second_step = second_step
        self._attempts = attempts
        self._limits = limits
        self._failures = failures

    def buttons(self) -> Sequence[ProviderButton]:
        """The providers of the settings. Fetches their documents in the background."""
        for each in self._providers.values():
            each.warm()
        return [ProviderButton(name, each.settings.label) for name, each in self._providers.items()]

    def label_of(self, provider: str) -> str:
        """The label of a provider. Raises NotFound."""
        return self._provider(provider).settings.label

    async def begin(
        self,
        provider: str,
        redirect_uri: str,
        path: str,
        *,
        invitation: str = "",
        is_restarted: bool = False,
        asks_again: bool = False,
    ) -> Begun:
        """Begins to sign in.

        Args:
            provider: its name.
            redirect_uri: to which the provider sends its answer.
            path: the page to show afterwards.
            invitation: that the user follows; '' without one.
            is_restarted: whether an answer without `state` has caused it.
            asks_again: whether the provider is to ask who the user is, also if it knows the browser.

        Raises:
            NotFound: there is no such provider.
            ProviderUnavailable: the provider does not answer.
        """
        found = self._provider(provider)
        attempt = self._attempts.new(provider, path, invitation=invitation, is_restarted=is_restarted)
        if invitation:
            self._invitation_of(attempt)
        address = await found.authorization_address(
            redirect_uri=redirect_uri,
            state=attempt.id,
            nonce=self._attempts.nonce(attempt),
            code_verifier=self._attempts.code_verifier(attempt),
            asks_again=asks_again,
        )
        return Begun(address, attempt.id, self._attempts.sealed(attempt))

    async def finish(self, provider: str, redirect_uri: str, answer: ProviderAnswer, client: SignInClient) -> Finished:
        """Signs in the user whom the provider names.

        Args:
            provider: its name.
            redirect_uri: as in `begin`.
            answer: of the provider.
            client: that has brought it.

        Raises:
            NotFound: there is no such provider.
            SignInRefused: with the reason.
            ProviderUnavailable: the provider does not answer.
            TooManyAttempts: too many answers from this address were not valid.
            Overloaded: too many sign-ins are being finished.
        """
        found, source = self._provider(provider), source_of(client.address)
        await self._require_allowed(source)
        email = ""
        try:
            attempt = await self._attempt_of(found, answer)
            identity = await found.identity(
                code=answer.code or "",
                redirect_uri=redirect_uri,
                nonce=self._attempts.nonce(attempt),
                code_verifier=self._attempts.code_verifier(attempt),
            )
            email = identity.email or ""
            user = await self._identities.user_of(identity, self._invitation_of(attempt))
            signed = await self._signed_in(user, identity, client)
        except SignInRefused as error:
            log.warning("sign-in at a provider refused", provider=provider, code=error.reason.value)
            await self._failures.note(email, client.address, error.reason.value)
            if error.reason is Refusal.UNTRUSTED:
                await self._limits.count(BY_ADDRESS, source)
            raise
        return Finished(signed, attempt.path)

    def may_restart(self, provider: str, cookies: Mapping[str, str]) -> bool:
        """Whether an answer without `state` may begin an attempt.

        Portals such as Clever's send people who have not begun to sign in here. Their code is not used, because it
        could be somebody else's. A provider that never sends `state` would cause an endless loop.

        Args:
            provider: its name.
            cookies: of attempts, by attempt id.
        """
        attempts = [self._attempts.opened(attempt_id, provider, cookie) for attempt_id, cookie in cookies.items()]
        return not any(each is not None and each.is_restarted for each in attempts)

    async def sign_out_of(self, token: str, redirect_uri: str) -> ProviderSignOut | None:
        """How to sign out at the provider at which a sign-in began; None: it began elsewhere.

        Args:
            token: of the sign-in, before it is ended.
            redirect_uri: to which the provider sends the browser afterwards.
        """
        key = self._tokens.key_of(token) if self._providers else None
        if key is None:
            return None
        async with self._database.snapshot() as connection:
            issuer = await statements.issuer_of_sign_in(connection, key)
        found = next((each for each in self._providers.values() if each.settings.issuer == issuer), None)
        if found is None:
            return None
        state = secrets.token_hex(16)
        address = found.sign_out_address(redirect_uri=redirect_uri, state=state)
        return ProviderSignOut(found.settings.label, address, state)

    async def end_sign_ins(self, provider: str, logout_token: str, address: str | None) -> None:
        """Ends the sign-ins that a provider's logout token names (OpenID Connect Back-Channel Logout 1.0).

        Raises:
            NotFound: there is no such provider.
            Malformed: the token is not valid, or was used before.
            ProviderUnavailable: the keys of the provider are not there.
            TooManyAttempts: too many tokens from this address were refused.
        """
        found, source = self._provider(provider), source_of(address)
        await self._require_allowed(source)
        try:
            request = await found.logout_request(logout_token)
            await self._use_once(provider, request.token_id)
        except UnusableAnswer as error:
            log.warning("logout token refused", provider=provider, error=str(error))
            await self._limits.count(BY_ADDRESS, source)
            raise Malformed(str(error)) from None
        async with self._database.transaction() as connection:
            ended = await statements.end_sign_ins_of_provider(
                connection, found.settings.issuer, subject=request.subject, session=request.session
            )
            for user_id, count in ended.items():
                after = {"ended": count, "issuer": found.settings.issuer}
                await record_about_user(connection, None, Action.SIGN_INS_ENDED, user_id, after=after)
        log.info("sign-ins ended by a provider", provider=provider, ended=sum(ended.values()))

    async def close(self) -> None:
        """Closes the connections to providers."""
        for each in self._providers.values():
            await each.close()

    async def _use_once(self, provider: str, token_id: str) -> None:
        # A part of a Redis key, for an id of any length.
        hashed = hashlib.sha256(token_id.encode(errors="replace")).hexdigest()[:32]
        if await self._limits.take(TOKEN_ONCE, f"{provider}.{hashed}"):
            raise UnusableAnswer("the logout token was used before")

    def _provider(self, name: str) -> Provider:
        if name not in self._providers:
            raise NotFound("there is no such provider")
        return self._providers[name]

    async def _require_allowed(self, source: str) -> None:
        seconds = await self._limits.seconds_to_wait(BY_ADDRESS, source)
        if seconds:
            detail = f"too many sign-ins were refused: try again in {seconds} seconds"
            raise TooManyAttempts(detail, retryAfter=seconds)

    async def _attempt_of(self, provider: Provider, answer: ProviderAnswer) -> SignOnAttempt:
        """The attempt that is answered. An attempt is answered once, also with an error."""
        if answer.error is not None and answer.state is None:
            raise _refused_by(answer.error)  # some providers forget the state, and there is nothing to answer
        attempt = self._attempts.opened(answer.state or "", provider.settings.name, answer.cookie)
        if attempt is None:
            raise SignInRefused(Refusal.UNKNOWN_ATTEMPT, "this browser has not begun this attempt, or it is over")
        metadata = (await provider.documents()).metadata  # during an outage of the provider the attempt stays open
        if await self._limits.take(ONCE, attempt.id):
            raise SignInRefused(Refusal.UNKNOWN_ATTEMPT, "this attempt was used before")
        # A mix-up attack sends the answer of another provider (RFC 9207).
        is_silent = answer.issuer is None and not metadata.names_issuer
        if answer.issuer != provider.settings.issuer and not is_silent:
            raise SignInRefused(Refusal.UNTRUSTED, "the answer is of another issuer")
        if answer.error is not None:
            raise _refused_by(answer.error)
        if not answer.code:
            raise SignInRefused(Refusal.UNTRUSTED, "the answer has no code")
        return attempt

    def _invitation_of(self, attempt: SignOnAttempt) -> Invitation | None:
        if not attempt.invitation:
            return None
        invitation = self._attempts.invitation(attempt.provider, attempt.invitation)
        if invitation is None:
            raise SignInRefused(Refusal.INVITATION_OVER, "the invitation is over")
        return invitation

    async def _signed_in(self, user: User, identity: Identity, client: SignInClient) -> NewSignIn | HalfWaySignIn:
        session = ProviderSession(identity.issuer, identity.session, identity.authenticated_at)
        try:
            return await self._second_step.sign_in_by_provider(
                user, client, session, has_providers_factor=identity.has_second_factor
            )
        except Unauthenticated:
            raise SignInRefused(Refusal.DISABLED, "the user has changed meanwhile") from None


def _refused_by(error: str) -> SignInRefused:
    refusal = Refusal.DENIED if error == "access_denied" else Refusal.PROVIDER_ERROR
    return SignInRefused(refusal, f"the provider reports {error[:40]!r}")
