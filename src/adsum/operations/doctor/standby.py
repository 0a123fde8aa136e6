"""The standby from which lists, reports and exports are read."""

from __future__ import annotations

import asyncio

from adsum.operations.doctor.findings import Finding, ok, warning
from adsum.platform.database.standby import POLL_S, Standby, StandbyState

CHECK = "standby"
_POLLS = 5


async def check_standby(standby: Standby | None) -> list[Finding]:
    """Nothing without a standby. One that has not replayed the last commits yet has some seconds for that."""
    if standby is None:
        return []
    for _ in range(_POLLS):
        await standby.poll()
        if standby.state is not StandbyState.BEHIND:
            break
        await asyncio.sleep(POLL_S)
    return [judge_standby(standby.state, standby.lag, standby.max_lag)]


def judge_standby(state: StandbyState, lag: float, max_lag: float) -> Finding:
    """Never an error, since everything is then read from the primary."""
    match state:
        case StandbyState.OK:
            return ok(CHECK, f"{lag:.1f} s behind the primary; lists, reports and exports are read from it")
        case StandbyState.BEHIND:
            return warning(CHECK, f"more than {max_lag:g} s behind the primary, so it is not read", _LOOK)
        case StandbyState.FOREIGN:
            message = "the server of ADSUM_DATABASE_READ_URL is no standby of the primary, or was promoted"
            return warning(CHECK, message, "adsum config show  # check the URL")
        case _:
            return warning(CHECK, "the server of ADSUM_DATABASE_READ_URL does not answer", _LOOK)


_LOOK = "SELECT * FROM pg_stat_replication  # on the primary"
