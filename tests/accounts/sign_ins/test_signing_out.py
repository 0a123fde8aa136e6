"""The name of a user, and signing out everywhere."""

from __future__ import annotations

import pytest

from adsum.accounts.access import Role, system_caller
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.errors import Unauthenticated


async def test_a_visitor_has_a_name_and_signs_out_everywhere(accounts: Accounts, tokens: Tokens) -> None:
    login = await accounts.add_user("ada@school.example", Role.ADMIN)
    token = await tokens.create(login.user.email)
    caller = await tokens.caller_of(token.text)
    assert (await accounts.greeting_of(caller)).name == "ada@school.example"
    assert (await accounts.greeting_of(system_caller())).name == ""

    await accounts.end_tokens(caller)
    with pytest.raises(Unauthenticated):
        await tokens.caller_of(token.text)
