"""Makes once what all test processes use, before they are forked."""

from __future__ import annotations

from hypothesis import given, strategies

from adsum.app import create_app
from tests.platform.http.snapshot import present
from tests.support.application import prepare_applications
from tests.support.forked import share_fork_server
from tests.support.frame import on_trial


def prepare() -> None:
    """Makes both applications with their templates, the description of the API, and the fork server of commands.

    Runs one test of Hypothesis.
    """
    prepare_applications(create_app, on_trial)
    present()
    share_fork_server()
    begin_hypothesis()


@given(strategies.none())
def begin_hypothesis(_: None) -> None:
    """Lets Hypothesis register its random numbers, for which it visits all objects: half a second in each process."""
