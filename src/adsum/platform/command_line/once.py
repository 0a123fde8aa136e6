"""Commands that refuse an option that is given twice. Click would use the last value."""

from __future__ import annotations

from typing import Any

import typer
import typer.core
from typing_extensions import override


class OnceCommand(typer.core.TyperCommand):
    """A command whose options are given once, apart from those that are repeatable and from switches such as `--json`.

    `--retire --reuse` is one option that is given twice.
    """

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _values, _rest, given = self.make_parser(ctx).parse_args(list(args))
        for param in self.params:
            if given.count(param) > 1 and _has_one_value(param):
                names = " or ".join([*param.opts, *param.secondary_opts])
                raise typer.BadParameter(f"give {names} once", ctx=ctx)
        return super().parse_args(ctx, args)


def _has_one_value(param: Any) -> bool:
    is_switch = param.is_flag and not param.secondary_opts
    return not (param.multiple or param.count or is_switch)


def refuse_repeated(application: typer.Typer) -> typer.Typer:
    """The same application. Its commands refuse options that are given twice."""
    for command in application.registered_commands:
        if command.cls is typer.core.TyperCommand:
            command.cls = OnceCommand
    return application
