"""The data folder of `up`: database, Valkey's files and password, secret key, demo accounts, the lock of the folder."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import Settings

# The path of a unix socket has at most 107 bytes on Linux, 103 on macOS.
LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True, slots=True)
class Holder:
    """The `adsum up` that has locked the folder: its process id and its address."""

    pid: int
    address: str


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The paths in the data folder. Constructing one creates nothing; `create` makes the folders."""

    root: Path

    @classmethod
    def of(cls, settings: Settings) -> DataFolder:
        """The folder that the settings name.

        Raises:
            ConfigurationError: a database URL cannot hold the path.
        """
        root = settings.resolved_data_dir
        if any(character in "?#\n" for character in str(root)):
            raise ConfigurationError(f"ADSUM_DATA_DIR: {str(root)!r} holds a character that no database URL can carry")
        return cls(root)

    @property
    def database(self) -> Path:
        return self.root / "adsum.db"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def running(self) -> Path:
        """The folder with one record for each process of `up`."""
        return self.root / "running"

    @property
    def secret(self) -> Path:
        return self.root / "secret.key"

    @property
    def credentials(self) -> Path:
        return self.root / "credentials.json"

    @property
    def valkey_password(self) -> Path:
        """Exists once Valkey has had a port, which other users of the machine reach."""
        return self.root / "valkey-password"

    @property
    def demo_wanted(self) -> Path:
        """Exists until the demo school is loaded, so that the next `up` loads it after a crash."""
        return self.root / "demo-wanted"

    @property
    def half_restored(self) -> Path:
        """Exists while a restore moves its files into place, and after a crash at that time."""
        return self.root / "restore-unfinished"

    @property
    def lock(self) -> Path:
        return self.root / "up.lock"

    @property
    def socket(self) -> Path:
        """Valkey's unix socket: in the folder, or under /tmp if the folder's path is too long for a socket."""
        near = self.root / "valkey.sock"
        if len(os.fsencode(near)) <= LONGEST_SOCKET_PATH:
            return near
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return _short_folder() / f"{name}.sock"

    @property
    def database_url(self) -> str:
        return f"sqlite+aiosqlite:///{self.database}"

    @property
    def redis_url(self) -> str:
        password = self.read_valkey_password()
        return f"unix://{quote(str(self.socket))}" + (f"?password={password}" if password else "")

    def create(self) -> None:
        """Makes the folders, readable by this user alone.

        Raises:
            ConfigurationError: a folder cannot be made, or the folder of the socket belongs to another user.
        """
        try:
            for folder in (self.root, self.valkey, self.running):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(self.socket.parent, self.root)
        except OSError as error:
            raise ConfigurationError(f"ADSUM_DATA_DIR: cannot make {self.root}: {error}") from None

    def ensure_whole(self) -> None:
        """Raises ConfigurationError if a restore into this folder did not finish."""
        if self.half_restored.exists():
            raise ConfigurationError(f"a restore into {self.root} was cut off: run `adsum restore PATH --force` again")

    def ensure_secret(self) -> Path:
        """The file with the key that signs tokens: 64 hexadecimal digits. Creates it if it is missing."""
        if not self.secret.exists():
            _write_private(self.secret, secrets.token_hex(32), overwrite=False)
        return self.secret

    def ensure_valkey_password(self) -> None:
        """Creates Valkey's password if it is missing: 64 hexadecimal digits. Clients need it from the next start on."""
        if not self.valkey_password.exists():
            _write_private(self.valkey_password, secrets.token_hex(32), overwrite=False)

    def read_valkey_password(self) -> str | None:
        """Valkey's password; None: it has none."""
        return self.valkey_password.read_text(encoding="utf-8").strip() if self.valkey_password.exists() else None

    def keep_credentials(self, accounts: Mapping[str, str]) -> None:
        """Stores the passwords of the demo accounts, readable by this user alone."""
        _write_private(self.credentials, json.dumps(dict(accounts), indent=2) + "\n", overwrite=True)

    @contextmanager
    def held(self, address: str) -> Generator[None]:
        """Locks the folder. The operating system releases the lock when the process ends.

        Raises:
            ConfigurationError: another process holds the lock.
        """
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigurationError(f"{self.root} is in use {self._used_by()}") from None
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps({"pid": os.getpid(), "address": address}).encode())
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def holder(self) -> Holder | None:
        """The process in the lock file; None if the file is empty or missing."""
        try:
            written = json.loads(self.lock.read_text(encoding="utf-8"))
            return Holder(int(written["pid"]), str(written["address"]))
        except (OSError, ValueError, KeyError):
            return None

    def _used_by(self) -> str:
        holder = self.holder()
        return f"by another `adsum up`: process {holder.pid}, {holder.address}" if holder else "by another process"


def _short_folder() -> Path:
    # Not TMPDIR: every command must find the socket in any environment, and TMPDIR is long on macOS.
    temporary = Path("/tmp")  # noqa: S108 - a folder with mode 0700 whose owner is checked
    return (temporary if temporary.is_dir() else Path(tempfile.gettempdir())) / f"adsum-{os.getuid()}"


def _make_private(folder: Path, root: Path) -> None:
    if folder == root:
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ConfigurationError(f"{folder} must be a folder of this user alone (mode 0700): remove it and start again")


def _write_private(path: Path, text: str, *, overwrite: bool) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            Path(name).replace(path)
        else:
            _link_once(Path(name), path)
    finally:
        Path(name).unlink(missing_ok=True)


def _link_once(new: Path, path: Path) -> None:
    try:
        path.hardlink_to(new)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        new.replace(path)
