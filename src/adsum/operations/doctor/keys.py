"""The check of API keys: who is responsible for them, and when they expire."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from adsum.accounts.api_keys.rules import EXPIRES_SOON, KeyState, KeyWarning
from adsum.accounts.api_keys.service import ApiKeys
from adsum.operations.doctor.findings import Finding, counted, ok, warning

CHECK = "api keys"
_MESSAGES = {
    KeyWarning.EXPIRES_SOON: f"expire within {EXPIRES_SOON.days} days",
    KeyWarning.LASTS_TOO_LONG: "last longer than ADSUM_KEY_MAX_DAYS allows",
    KeyWarning.OWNER_MISSING: "without an owner",
    KeyWarning.OWNER_DISABLED: "of an owner who cannot sign in",
}
_REMEDIES = {
    KeyWarning.EXPIRES_SOON: "adsum key change ID --expires 90d",
    KeyWarning.LASTS_TOO_LONG: "adsum key change ID --expires 90d",
    KeyWarning.OWNER_MISSING: "adsum key change ID --owner EMAIL",
    KeyWarning.OWNER_DISABLED: "adsum key rotate ID; adsum key change ID --owner EMAIL",
}


async def check_keys(api_keys: ApiKeys) -> Sequence[Finding]:
    """One finding for each kind of warning. Raises Unavailable."""
    keys = [(key.id, api_keys.status_of(key)) for key in await api_keys.list_keys()]
    warned: defaultdict[KeyWarning, list[str]] = defaultdict(list)
    for key_id, status in keys:
        for each in status.warnings:
            warned[each].append(str(key_id))
    if not warned:
        working = sum(status.state is KeyState.ACTIVE for _, status in keys)
        return [ok(CHECK, f"{counted(working, 'key')} in use")]
    return [
        warning(CHECK, f"{_MESSAGES[each]}: {counted(len(warned[each]), 'key', warned[each])}", _REMEDIES[each])
        for each in KeyWarning
        if each in warned
    ]
