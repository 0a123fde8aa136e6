"""Restores a data folder from a backup. On an error the folder stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adsum.platform.embedded.archive import (
    DATABASE,
    FILES,
    BackupManifest,
    BackupRefused,
    checked_revision,
    unpack,
    workspace_in,
)
from adsum.platform.embedded.backup import sync_folder
from adsum.platform.embedded.data_folder import DataFolder

# All files of an installation, except those of a running `up`. The write-ahead log moves with its database: beside
# another database it would corrupt it.
STATE = ("adsum.db", "adsum.db-wal", "adsum.db-shm", "adsum.db-journal", *FILES[:-1], "demo-wanted", "valkey")


@dataclass(frozen=True, slots=True)
class Restored:
    """The manifest of the restored backup, and the folder with the previous files, if there were any."""

    manifest: BackupManifest
    kept_aside: Path | None


def restore(
    folder: DataFolder,
    archive: Path,
    *,
    newest_schema: str,
    now: datetime,
    force: bool,
    prepare: Callable[[Path, str], None],
    identity: Path | None = None,
) -> Restored:
    """Checks the whole backup, then moves its files into place. The sweeper rebuilds the queue from the database.

    Args:
        folder: where the backup is restored.
        archive: the file of the backup.
        newest_schema: the newest revision that this version knows.
        now: the current time.
        force: whether the folder may hold data, which is moved aside.
        prepare: changes the database of the backup, given its file and its revision, before it is moved into place.
        identity: the file with the secret keys of an encrypted backup.

    Raises:
        BackupRefused: the backup is damaged, encrypted to another key, or of a newer version; or the folder holds data
            and `force` is not set.
        ConfigurationError: an `up` runs on the folder.
    """
    _require_file(archive)
    decrypt = _decryption_of(archive, identity)
    with _ready(folder):
        present = [name for name in STATE if _is_nonempty(folder.root / name)]
        if present and not force:
            raise BackupRefused(f"{folder.root} contains data: --force moves it aside and restores the backup")
        with workspace_in(folder.root, ".restore-") as staging:
            manifest = unpack(archive if decrypt is None else decrypt(staging), staging)
            prepare(staging / DATABASE, _checked_revision(staging, manifest, newest_schema))
            aside = folder.root / f"before-restore-{now:%Y%m%d-%H%M%S}" if present else None
            try:
                _swap(folder, staging, aside, present)
            except OSError as error:
                raise BackupRefused(f"{folder.root} is unchanged: {error}") from error
    return Restored(manifest, aside)


def _decryption_of(archive: Path, identity: Path | None) -> Callable[[Path], Path] | None:
    """Decrypts the backup into a folder and returns the file; None: the backup is not encrypted.

    Raises:
        BackupRefused: the identity is missing or wrong.
    """
    from adsum.platform.embedded import encryption  # noqa: PLC0415 - its library is large

    if not encryption.is_encrypted(archive):
        return None
    if identity is None:
        raise BackupRefused(f"{archive} is encrypted: name the file with its secret key by --identity")
    identities = encryption.read_identities(identity)

    def decrypt(folder: Path) -> Path:
        plain = folder / "archive"
        encryption.decrypt_file(archive, plain, identities)
        return plain

    return decrypt


def _require_file(archive: Path) -> None:
    if archive.is_dir():
        found = sorted(archive.glob("adsum-*.tar.gz*"))
        such = f", such as {found[-1]}" if found else ""
        raise BackupRefused(f"{archive} is a folder: name the file in it{such}")
    if not archive.is_file():
        raise BackupRefused(f"there is no backup {archive}")


@contextmanager
def _ready(folder: DataFolder) -> Generator[None]:
    """Creates the folder if necessary and locks it. On an error it removes the folders that it created."""
    made = [path for path in (folder.valkey, folder.running, folder.root, *folder.root.parents) if not path.exists()]
    try:
        folder.create()
        with folder.held("busy with `adsum restore`"):
            yield
    except BaseException:  # also Ctrl-C
        _remove(folder, made)
        raise


def _remove(folder: DataFolder, made: Sequence[Path]) -> None:
    if folder.root in made:  # in an older folder an `up` may hold the lock file open
        folder.lock.unlink(missing_ok=True)
    with suppress(OSError):  # the folder is no longer empty
        for path in made:
            path.rmdir()


def _checked_revision(staging: Path, manifest: BackupManifest, newest_schema: str) -> str:
    revision = checked_revision(staging / DATABASE)
    if revision > newest_schema:
        raise BackupRefused(
            f"the backup's schema {revision} is newer than this version's, {newest_schema}: "
            f"restore it with Adsum {manifest.version} or later"
        )
    return revision


def _swap(folder: DataFolder, staging: Path, aside: Path | None, present: list[str]) -> None:
    """Renames the files, all on one disk. A marker file keeps `up` from creating a database after a crash here."""
    moves = [(staging / name, folder.root / name) for name in FILES if (staging / name).exists()]
    if aside is not None:
        aside.mkdir(mode=0o700)  # before the marker: nothing is moved yet, so `up` may start
        moves = [*((folder.root / name, aside / name) for name in present), *moves]
    done: list[tuple[Path, Path]] = []
    was_cut_off = folder.half_restored.exists()
    try:
        folder.half_restored.touch()
        sync_folder(folder.root)
        for source, target in moves:
            source.rename(target)
            done.append((source, target))
    except BaseException:  # also Ctrl-C
        for source, target in reversed(done):
            target.rename(source)
        if not was_cut_off:
            folder.half_restored.unlink(missing_ok=True)
        if aside is not None:
            aside.rmdir()
        raise
    sync_folder(folder.root)
    folder.half_restored.unlink()
    folder.create()


def _is_nonempty(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()
