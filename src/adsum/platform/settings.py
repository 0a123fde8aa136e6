"""The settings of `product.md`: environment variables, `.env`, `*_FILE` for secrets, each with its origin."""

from __future__ import annotations

import os
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from adsum.platform.errors import ConfigurationError

PREFIX = "ADSUM_"
SECRETS = frozenset({"secret_key", "database_url", "redis_url"})


def known_timezone(name: str) -> str:
    """The same name. Raises ValueError: no time zone bears it."""
    if name not in _time_zones():
        raise ValueError(f"{name!r} is not an IANA time zone, such as Europe/Berlin")
    return name


@cache
def _time_zones() -> set[str]:
    """Looked up once: it is a walk through some hundred files."""
    return available_timezones()


def _key_prefix(text: str) -> str:
    if any(character.isspace() for character in text):
        raise ValueError("a key prefix has no blanks")
    return text


def _origin(url: str) -> str:
    """The address under which browsers know Adsum, without a slash at its end."""
    parts = urlsplit(url)
    is_origin = parts.scheme in {"http", "https"} and parts.hostname and parts.path in {"", "/"}
    if not is_origin or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{url!r} is not the address of a site, such as https://adsum.school.example")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _addresses(text: str) -> str:
    """Addresses and networks, separated by commas; `*` alone is everybody."""
    for each in (part.strip() for part in text.split(",") if text.strip() != "*"):
        try:
            ip_network(each)
        except ValueError:
            raise ValueError(f"{each!r} is no IP address and no network, such as 10.0.0.7 or 10.0.0.0/8") from None
    return text


class FileSource(PydanticBaseSettingsSource):
    """`ADSUM_SECRET_KEY_FILE=/run/secrets/key` gives `ADSUM_SECRET_KEY` the content of that file."""

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if path is None:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{PREFIX}{field_name.upper()}_FILE: cannot read {path}: {error}") from error

    @override
    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """Every setting, checked. Seconds for times to live, bytes for sizes."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    database_url: str | None = None
    redis_url: str | None = None
    data_dir: Path = Path("adsum-data")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    valkey_port: Annotated[int, Field(ge=0, le=65535)] = 0
    secret_key: Annotated[SecretStr, Field(min_length=32)] | None = None
    timezone: Annotated[str, AfterValidator(known_timezone)] = "UTC"
    queue_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "attendance"
    key_prefix: Annotated[str, AfterValidator(_key_prefix)] = ""
    chunk_size: Annotated[int, Field(ge=1, le=5000)] = 500
    worker_concurrency: Annotated[int, Field(ge=1, le=1000)] = 128
    worker_processes: Annotated[int, Field(ge=1, le=256)] | None = None
    worker_metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    message_lock: Annotated[float, Field(ge=0.1, le=60)] = 5.0
    stall_interval: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    lock_ttl: Annotated[int, Field(ge=1)] = 3600
    completed_ttl: Annotated[int, Field(ge=1)] = 86400
    sweep_interval: Annotated[float, Field(ge=0.05, le=60)] = 2.0
    sweep_grace: Annotated[float, Field(ge=0, le=60)] = 2.0
    keep_runs_days: Annotated[int, Field(ge=0, le=36_500)] = 400
    max_batch_size: Annotated[int, Field(ge=1, le=20_000)] = 10_000
    max_body_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    max_import_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    public_url: Annotated[str, AfterValidator(_origin)] | None = None
    trusted_proxies: Annotated[str, AfterValidator(_addresses)] = "127.0.0.1,::1"
    allow_plain_http: bool = False
    token_ttl: Annotated[int, Field(ge=60)] = 12 * 3600
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, FileSource(settings_cls), dotenv_settings

    @property
    def resolved_data_dir(self) -> Path:
        return self.data_dir.expanduser().resolve()


def load_settings(**overrides: Any) -> Settings:
    """Reads and checks all settings; `overrides` are what the command line names.

    Raises:
        ConfigurationError: one line that names every wrong setting.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{str(e['loc'][0]).upper()}: {_why(dict(e))}" for e in error.errors(include_input=False)
        )
        raise ConfigurationError(f"wrong settings: {wrong}") from None


def _why(error: dict[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def origins(settings: Settings, overrides: frozenset[str] = frozenset()) -> dict[str, str]:
    """Where the value of each setting comes from: command line, environment, a file, `.env`, or default."""
    environment = EnvSettingsSource(Settings)()
    files = FileSource(Settings)()
    dotenv = DotEnvSettingsSource(Settings)()
    found: dict[str, str] = {}
    for name in type(settings).model_fields:
        sources = (
            ("command line", overrides),
            ("environment", environment),
            ("file", files),
            (".env", dotenv),
        )
        found[name] = next((label for label, holder in sources if name in holder), "default")
    return found
