"""The data folder of `up`: its files, their permissions, and its lock."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from adsum.platform.embedded.data_folder import LONGEST_SOCKET_PATH, DataFolder
from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder.of(Settings(data_dir=tmp_path / "data"))
    folder.create()
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_this_user_can_read_the_folder(folder: DataFolder) -> None:
    assert mode(folder.root) == 0o700


def test_the_secret_key_is_created_once_and_is_private(folder: DataFolder) -> None:
    secret = folder.ensure_secret().read_text()

    assert re.fullmatch("[0-9a-f]{64}", secret)
    assert mode(folder.secret) == 0o600
    assert folder.ensure_secret().read_text() == secret


def test_the_secret_key_is_a_valid_setting(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADSUM_SECRET_KEY_FILE", str(folder.ensure_secret()))

    key = Settings().secret_key

    assert key is not None
    assert key.get_secret_value() == folder.secret.read_text()


def test_credentials_are_private_and_can_be_replaced(folder: DataFolder) -> None:
    folder.keep_credentials({"admin@school.example": "first"})
    folder.keep_credentials({"admin@school.example": "second"})

    assert mode(folder.credentials) == 0o600
    assert "second" in folder.credentials.read_text()
    assert [path.name for path in folder.root.iterdir() if path.name.startswith(".")] == []


def test_the_password_of_valkey_is_created_once_is_private_and_in_its_url(folder: DataFolder) -> None:
    assert folder.redis_url == f"unix://{folder.socket}"
    folder.ensure_valkey_password()
    url = folder.redis_url
    folder.ensure_valkey_password()

    assert folder.redis_url == url == f"unix://{folder.socket}?password={folder.valkey_password.read_text()}"
    assert mode(folder.valkey_password) == 0o600


def test_the_socket_is_in_the_folder_if_its_path_fits() -> None:
    assert DataFolder(Path("/srv/adsum")).socket == Path("/srv/adsum/valkey.sock")


def test_the_socket_of_a_deep_folder_is_short_private_and_always_the_same(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / ("d" * 90) / "data")
    folder.create()

    assert len(os.fsencode(folder.socket)) <= LONGEST_SOCKET_PATH
    assert mode(folder.socket.parent) == 0o700
    assert folder.socket == DataFolder(folder.root).socket
    assert folder.socket != DataFolder(folder.root / "other").socket


def test_a_folder_whose_name_does_not_fit_in_a_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ADSUM_DATA_DIR"):
        DataFolder.of(Settings(data_dir=tmp_path / "what?"))


def test_a_folder_that_cannot_be_created_is_refused_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=r"^ADSUM_DATA_DIR: cannot make .*file/data: .*$"):
        DataFolder(tmp_path / "file" / "data").create()


def test_a_locked_folder_names_the_process_that_locked_it(folder: DataFolder) -> None:
    second = (
        "import sys, pathlib\n"
        "from adsum.platform.embedded.data_folder import DataFolder\n"
        "with DataFolder(pathlib.Path(sys.argv[1])).held('http://second'): pass\n"
    )
    command = [sys.executable, "-c", second, str(folder.root)]
    with folder.held("http://127.0.0.1:8000"):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)

    assert f"in use by another `adsum up`: process {os.getpid()}, http://127.0.0.1:8000" in refused.stderr
    assert subprocess.run(command, check=False).returncode == 0
