"""A file that is sent twice: to be looked at, and then to be imported.

Nothing is kept between the two: what a roster holds about children lies on no disk because somebody went home between
them, and it does not matter which of several processes answers. The digest says that both are the same file.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO

from fastapi import Request
from starlette.datastructures import UploadFile

from adsum.platform.errors import Invalid, Violation

MOST_FIELDS = 4
BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, and whether it is to be imported: else it is only looked at.

    Attributes:
        file: open at its beginning, as long as the block goes on.
        name: that it has where it comes from.
        digest: SHA-256 of it.
        is_confirmed: the visitor has seen what it changes, and wants it.
        is_other: the visitor has confirmed another file than this one.
        choices: names of the boxes that are ticked.
    """

    file: IO[bytes]
    name: str
    digest: str
    is_confirmed: bool
    is_other: bool
    choices: frozenset[str]


@asynccontextmanager
async def uploaded(request: Request) -> AsyncGenerator[Upload]:
    """The file of a form, which is read only now: who may not send one has been refused before. Raises Invalid."""
    async with request.form(max_files=1, max_fields=MOST_FIELDS) as form:
        file, confirmed = form.get("file"), form.get("digest")
        if not isinstance(file, UploadFile) or not file.filename:
            detail = "choose a file"
            raise Invalid(detail, [Violation("missing_field", detail, "/file")])
        digest = await asyncio.to_thread(_digest, file.file)
        await file.seek(0)
        choices = frozenset(name for name, value in form.items() if value == "true")
        is_other = bool(confirmed) and confirmed != digest
        yield Upload(file.file, file.filename, digest, confirmed == digest, is_other, choices)


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def is_scripted(request: Request) -> bool:
    """Whether a script of ours asks: then the file is still chosen in the form, and need not be chosen again."""
    return request.headers.get("HX-Request") == "true"
