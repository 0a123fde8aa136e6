"""Builds the services of accounts, for `adsum.wiring`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from adsum.accounts.access import Role
from adsum.accounts.api_keys.service import ApiKeys, key_lifetime
from adsum.accounts.audit.exports import ListExports
from adsum.accounts.audit.failures import FailedSignIns
from adsum.accounts.callers import Callers, Impersonation
from adsum.accounts.kept_words.service import WordKeeper
from adsum.accounts.passwords.breached import BreachedPasswords
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.passwords.policy import PasswordPolicy
from adsum.accounts.profile.service import Profiles
from adsum.accounts.second_factors.app_secrets import AppSecrets
from adsum.accounts.second_factors.attempts import CodeAttempts
from adsum.accounts.second_factors.challenges import Challenges
from adsum.accounts.second_factors.passkeys import Passkeys
from adsum.accounts.second_factors.service import SecondFactors
from adsum.accounts.second_factors.verifier import FactorVerifier
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.confirmations import Confirmations
from adsum.accounts.sign_ins.devices import Devices
from adsum.accounts.sign_ins.half_way import HalfWays
from adsum.accounts.sign_ins.second_step import SecondStep
from adsum.accounts.sign_ins.service import PasswordSignIn
from adsum.accounts.sign_ins.tokens import SignInRequirements, Tokens
from adsum.accounts.single_sign_on.attempts import Attempts
from adsum.accounts.single_sign_on.identities import Identities
from adsum.accounts.single_sign_on.provider import Provider
from adsum.accounts.single_sign_on.service import SingleSignOn
from adsum.platform.keys import KeyPurpose
from adsum.platform.redis.attempts import FailedAttempts
from adsum.platform.secret_box import SecretBox
from adsum.platform.settings import Settings
from adsum.servers import OpenServers


@dataclass(frozen=True)
class AccountServices:
    """Users, their credentials, and API keys."""

    accounts: Accounts
    profiles: Profiles
    tokens: Tokens
    password_sign_in: PasswordSignIn
    second_factors: SecondFactors
    second_step: SecondStep
    confirmations: Confirmations
    identities: Identities
    single_sign_on: SingleSignOn
    api_keys: ApiKeys
    callers: Callers
    list_exports: ListExports
    word_keeper: WordKeeper


def password_policy(settings: Settings) -> PasswordPolicy:
    """The policy of the settings."""
    path = settings.breached_passwords
    return PasswordPolicy(settings.password_min_length, None if path is None else BreachedPasswords(path))


def account_services(on: OpenServers) -> AccountServices:
    """The services of accounts on open servers."""
    required_for = frozenset(map(Role, on.settings.roles_with_second_factor))
    attempts = FailedAttempts(on.shards.home)
    accounts = Accounts(on.database, Passwords(), password_policy(on.settings))
    tokens = on.close_at_end(_tokens(on, required_for))
    api_keys = on.close_at_end(ApiKeys(on.database, on.now, key_lifetime(on.settings)))
    factors, second_factors = _second_factors(on, attempts, required_for)
    failures = on.close_at_end(FailedSignIns(on.database))
    password_sign_in, second_step = _sign_in_steps(on, accounts, tokens, attempts, failures, factors)
    identities, single_sign_on = _single_sign_on(on, tokens, second_step, attempts, failures)
    return AccountServices(
        accounts=accounts,
        profiles=Profiles(on.database),
        tokens=tokens,
        password_sign_in=password_sign_in,
        second_factors=second_factors,
        second_step=second_step,
        identities=identities,
        single_sign_on=on.close_at_end(single_sign_on),
        confirmations=Confirmations(accounts, tokens, password_sign_in, factors),
        api_keys=api_keys,
        list_exports=ListExports(on.database),
        word_keeper=WordKeeper(SecretBox(on.keys, KeyPurpose.SEARCHED_WORDS)),
        callers=Callers(tokens, api_keys, on.close_at_end(Impersonation(on.database, on.now))),
    )


def _tokens(on: OpenServers, required_for: frozenset[Role]) -> Tokens:
    lifetime = timedelta(seconds=on.settings.token_ttl)
    idle_timeout = timedelta(seconds=on.settings.idle_timeout)
    requirements = SignInRequirements(required_for, timedelta(seconds=on.settings.confirmed_for))
    return Tokens(on.database, on.keys, on.now, lifetime, idle_timeout, requirements)


def _second_factors(
    on: OpenServers, attempts: FailedAttempts, required_for: frozenset[Role]
) -> tuple[FactorVerifier, SecondFactors]:
    passkeys = Passkeys(Challenges(on.keys, on.now))
    secrets = AppSecrets(SecretBox(on.keys, KeyPurpose.SECOND_FACTORS), on.now)
    verifier = FactorVerifier(on.database, passkeys, secrets, CodeAttempts(attempts), on.now)
    return verifier, SecondFactors(on.database, passkeys, secrets, on.now, required_for)


def _sign_in_steps(
    on: OpenServers,
    accounts: Accounts,
    tokens: Tokens,
    attempts: FailedAttempts,
    failures: FailedSignIns,
    factors: FactorVerifier,
) -> tuple[PasswordSignIn, SecondStep]:
    half_ways = HalfWays(on.database, on.keys, on.now)
    password_sign_in = PasswordSignIn(
        *(accounts, tokens, Devices(on.keys, on.now), attempts, failures, factors, half_ways),
        password_accounts=None if on.settings.password_sign_in else on.settings.emergency_emails,
    )
    second_step = SecondStep(
        *(accounts, tokens, password_sign_in, factors, half_ways), trusts_provider=on.settings.second_factor_of_provider
    )
    return password_sign_in, second_step


def _single_sign_on(
    on: OpenServers, tokens: Tokens, second_step: SecondStep, failed: FailedAttempts, failures: FailedSignIns
) -> tuple[Identities, SingleSignOn]:
    providers = {each.name: each for each in on.settings.oidc_providers}
    attempts = Attempts(on.keys, on.now)
    identities = Identities(on.database, providers, attempts, on.now)
    return identities, SingleSignOn(
        on.database,
        {name: Provider(each, on.now) for name, each in providers.items()},
        *(identities, tokens, second_step, attempts, failed, failures),
    )
