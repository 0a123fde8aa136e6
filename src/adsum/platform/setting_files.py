"""Settings in files of their own, such as secrets: `ADSUM_SECRET_KEY_FILE`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource
from typing_extensions import override

from adsum.platform.errors import ConfigurationError

PREFIX = "ADSUM_"
"""Of the names of settings in the environment."""
# Bytes of a file with the value of a setting.
MAX_FILE = 2**20


class FileSource(PydanticBaseSettingsSource):
    """Reads a setting from a file: `ADSUM_SECRET_KEY_FILE=/run/secrets/key` sets `ADSUM_SECRET_KEY`."""

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = self.path_of(field_name)
        if path is None:
            return None, field_name, False
        try:
            if path.stat().st_size > MAX_FILE:  # such as the list that ADSUM_BREACHED_PASSWORDS is to name
                name = f"{PREFIX}{field_name.upper()}"
                raise ConfigurationError(f"{name}_FILE: {path} is larger than any value of {name}")
            return path.read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{PREFIX}{field_name.upper()}_FILE: cannot read {path}: {error}") from error

    @staticmethod
    def path_of(field_name: str) -> Path | None:
        """The file that the environment names for a setting."""
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        return None if path is None else Path(path)

    @override
    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}
