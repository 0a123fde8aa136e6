"""Encrypts the secrets of webhooks with the newest signing key, so that earlier keys can be removed."""

from __future__ import annotations

from datetime import timedelta

from adsum.events.webhooks import repository as statements
from adsum.events.webhooks.delivery import owner_of_secret
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import ConfigurationError
from adsum.platform.secret_box import SecretBox, UnknownKey
from adsum.platform.telemetry import LogIcon, logger

# Also without a rotation: another machine may still have encrypted with the key before.
PAUSE = timedelta(hours=1)
AT_ONCE = 100

log = logger(__name__)


class SecretRenewal:
    """Encrypts secrets again. `now` is the clock."""

    def __init__(self, database: Database, box: SecretBox, now: Clock, at_once: int = AT_ONCE) -> None:
        self._database = database
        self._box = box
        self._now = now
        self._at_once = at_once
        self._due = now()
        self._key_id: str | None = None

    async def renew_if_due(self) -> int:
        """Encrypts the secrets of an earlier key again, after a rotation and once in `PAUSE`. Returns their number.

        A secret that no key decrypts stays as it is: the doctor reports it.
        """
        try:
            key_id = self._box.key_id
        except ConfigurationError:
            return 0  # without a key nothing is delivered, and each webhook says so in the log
        if key_id == self._key_id and self._now() < self._due:
            return 0
        renewed, after, has_more = 0, 0, True
        while has_more:
            async with self._database.snapshot() as connection:
                page = await statements.list_secrets(connection, after, self._at_once)
            for webhook_id, *sealed in page:
                after = webhook_id
                renewed += sum([await self._renew(webhook_id, each) for each in sealed if each])
            has_more = len(page) == self._at_once
        self._key_id, self._due = key_id, self._now() + PAUSE
        if renewed:
            log.info("secrets of webhooks encrypted with the new key", changed=renewed)
        return renewed

    async def _renew(self, webhook_id: int, sealed: str) -> bool:
        owner = owner_of_secret(webhook_id)
        try:
            opened = self._box.open(sealed, owner, is_stored=True)
        except UnknownKey:
            log.error("the secret of a webhook cannot be decrypted", mark=LogIcon.ERROR, webhook_id=webhook_id)
            return False
        if opened.is_current:
            return False
        async with self._database.transaction() as connection:
            return await statements.replace_secret(connection, webhook_id, sealed, self._box.seal(opened.text, owner))
