"""The spans of the current work, and their children. Nothing of OpenTelemetry is imported here.

Work of several requests or messages is often done together, so the current work has any number of spans: those of the
sampled requests. A step of the work is a child of each, so that each trace is complete; the children link to the first
of them, since they are about the same work.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from adsum.platform.errors import AdsumError, Unavailable

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from adsum.platform.tracing.otlp import Tracing

Attributes: TypeAlias = Mapping[str, str | int | bool]
"""Ids, counts and codes. Names, notes, emails, paths and addresses of people must not be added."""


class Member(NamedTuple):
    """A recorded span of the current work, and the run that it is about."""

    tracing: Tracing
    span: Span
    run_id: str | None


Members: TypeAlias = tuple[Member, ...]
CURRENT: ContextVar[Members] = ContextVar("spans", default=())
"""The spans of the current work. Empty: nothing of it is traced."""


class TracedStep:
    """Spans that are current within a block, and end with it. Without members it does nothing."""

    __slots__ = ("_before", "_members")

    def __init__(self, members: Members) -> None:
        self._members = members
        self._before: Members = ()

    def __enter__(self) -> Self:
        if self._members:
            self._before = CURRENT.get()
            CURRENT.set(self._members)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._members:
            return
        CURRENT.set(self._before)
        for member in self._members:
            if error is not None:
                # The type alone: the text may quote a row or a body.
                member.tracing.fail(member.span, type(error).__name__, is_failure=_is_failure(error))
            member.span.end()

    def __bool__(self) -> bool:
        """Whether anything is traced. Attributes that take time are made only then."""
        return bool(self._members)

    def note(self, attributes: Attributes) -> None:
        """Adds attributes that are known by now."""
        for member in self._members:
            member.span.set_attributes(attributes)

    def name(self, name: str) -> None:
        """Changes the name."""
        for member in self._members:
            member.span.update_name(name)

    def fail(self, error_type: str) -> None:
        """Notes a failure that is not an exception."""
        for member in self._members:
            member.tracing.fail(member.span, error_type, is_failure=True)

    @property
    def trace_id(self) -> str | None:
        """Of the first span, in hexadecimal digits; None: nothing is traced."""
        if not self._members:
            return None
        first = self._members[0]
        return first.tracing.trace_id(first.span)

    @property
    def headers(self) -> Mapping[str, str]:
        """The header that continues the trace in another organisation; empty: nothing is traced.

        `tracestate` is left out: it is about the systems of the client that has sent the request.
        """
        if not self._members:
            return {}
        first = self._members[0]
        return {name: text for name, text in first.tracing.headers(first.span).items() if name == "traceparent"}


UNTRACED = TracedStep(())


def step(
    name: str,
    attributes: Attributes | None = None,
    *,
    kind: str = "internal",
    about: str | None = None,
    run_ids: Iterable[str] | None = None,
) -> TracedStep:
    """A step of the current work, for a `with` statement.

    Args:
        name: of the span.
        attributes: of the span.
        kind: `internal`; `client` of a server, `producer` of a message.
        about: the run that the work is about from now on.
        run_ids: the runs that the step is about, each of which gets one span; None: all spans of the work get a child.
    """
    members = CURRENT.get()
    if not members:
        return UNTRACED
    if run_ids is not None:
        first = {each.run_id: each for each in reversed(members)}
        members = tuple(first[run_id] for run_id in run_ids if run_id in first)
    lead: Span | None = None
    children: list[Member] = []
    for tracing, parent, run_id in members:
        span = tracing.begin_child(name, parent, kind, attributes or {}, lead)
        lead = lead or span
        children.append(Member(tracing, span, about or run_id))
    return TracedStep(tuple(children))


def continued(
    tracing: Tracing | None,
    context: str | None,
    name: str,
    attributes: Attributes,
    *,
    kind: str,
    run_id: str | None = None,
) -> TracedStep:
    """A step of the work whose context a message or a row holds. `tracing` None: nothing is exported."""
    if tracing is None or context is None:
        return UNTRACED
    span = tracing.continue_trace(context, name, kind, attributes)
    return UNTRACED if span is None else TracedStep((Member(tracing, span, run_id),))


def context_of_work() -> str | None:
    """The context of the current work, as a message or a row holds it; None: it is not traced."""
    members = CURRENT.get()
    return members[0].tracing.context_of(members[0].span) if members else None


@contextmanager
def on_behalf_of(groups: Iterable[Members]) -> Generator[None]:
    """Makes the spans of several submitters current within a block."""
    members = tuple(chain.from_iterable(groups))
    if not members:
        yield
        return
    CURRENT.set(members)
    try:
        yield
    finally:
        CURRENT.set(())


def _is_failure(error: BaseException) -> bool:
    """Whether it is an error of Adsum or of a server. A refused request is not."""
    return isinstance(error, Unavailable) or not isinstance(error, AdsumError | CancelledError)
