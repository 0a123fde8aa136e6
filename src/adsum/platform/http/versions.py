"""`If-Match`: the version on which a change is based, so that no client overwrites a version that it has not read."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header

from adsum.platform.errors import Invalid, VersionRequired, Violation

_ETAGS = re.compile(r'(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*')
_VERSION = re.compile(r'(?:^|[\s,])"([1-9][0-9]{0,9})"')


def etag(version: int) -> str:
    """The `ETag` of a version."""
    return f'"{version}"'


async def _versions(
    if_match: Annotated[
        str | None, Header(description='The version on which the change is based, in quotes: `"3"`.')
    ] = None,
) -> frozenset[int]:
    """The versions in `If-Match`. Weak tags do not count, and `*`, which matches any version, is refused."""
    if if_match is None or if_match.strip() == "*":
        detail = 'name the version on which the change is based, the ETag of a GET: If-Match: "<version>"'
        raise VersionRequired(detail)
    if _ETAGS.fullmatch(if_match.strip()) is None:
        detail = f'{if_match[:40]!r} is not an ETag: write the version in quotes, as in If-Match: "<version>"'
        violation = Violation("wrong_form", detail, "/header/If-Match", {"in": "header", "name": "If-Match"})
        raise Invalid(detail, [violation])
    return frozenset(int(version) for version in _VERSION.findall(if_match))


IfMatchVersions = Annotated[frozenset[int], Depends(_versions)]
