"""The settings, from environment variables, a `.env` file, and files named by `ADSUM_…_FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from adsum.platform.addresses import is_loopback_host, names_cluster
from adsum.platform.errors import ConfigurationError
from adsum.platform.setting_files import PREFIX, FileSource
from adsum.platform.setting_groups.accounts import AccountSettings
from adsum.platform.setting_groups.limits import LimitSettings
from adsum.platform.setting_groups.periods import PeriodSettings
from adsum.platform.setting_groups.queue import QueueSettings
from adsum.platform.setting_groups.rosters import RosterSettings
from adsum.platform.setting_groups.servers import ServerSettings

SECRETS = frozenset(
    {"secret_key", "signing_keys", "database_url", "database_read_url", "redis_url", "roster_sync_client_secret"}
)


# The fields of the last base come first, so the reference and `adsum config show` list the groups from the end.
class Settings(LimitSettings, PeriodSettings, QueueSettings, RosterSettings, AccountSettings, ServerSettings):
    """Every setting, validated. `docs/reference/settings.md` is generated from the descriptions."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    log_format: Annotated[Literal["console", "json"], Field(description="The format of log lines on stderr.")] = (
        "console"
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(description="The lowest level that is logged. Entries of the audit log are logged at every level."),
    ] = "INFO"

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

    @model_validator(mode="after")
    def _has_address_for_providers(self) -> Self:
        if self.oidc_providers and self.public_url is None and not is_loopback_host(self.host):
            raise ValueError(
                f"{PREFIX}PUBLIC_URL: {PREFIX}OIDC_PROVIDERS needs the address that people use, such as "
                "https://adsum.school.example"
            )
        return self

    @model_validator(mode="after")
    def _has_prefix_without_hash_tag(self) -> Self:
        is_tagged = (self.queue_shards or 1) > 1 or names_cluster(self.redis_url or "")
        if is_tagged and not {"{", "}"}.isdisjoint(self.key_prefix):
            raise ValueError(
                f"{PREFIX}KEY_PREFIX: with several shards or a cluster a prefix has no braces: Adsum adds the hash tags"
            )
        return self

    @property
    def resolved_data_dir(self) -> Path:
        return self.data_dir.expanduser().resolve()


def load_settings(**overrides: Any) -> Settings:
    """Reads and validates all settings. `overrides` are the options of the command line.

    Raises:
        ConfigurationError: one line that names every wrong setting.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(_line_of(dict(each)) for each in error.errors(include_input=False))
        raise ConfigurationError(f"wrong settings: {wrong}") from None


def _line_of(error: dict[str, Any]) -> str:
    """The setting and what is wrong with it. An error of several settings names them itself."""
    name, *inner = error["loc"] or ("",)
    place = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in inner)
    return f"{PREFIX}{str(name).upper()}{place}: {_reason_of(error)}" if name else _reason_of(error)


def _reason_of(error: dict[str, Any]) -> str:
    is_list = error["loc"][-1:] == ("domains",)
    if error["type"] == "too_short":  # pydantic counts the characters of a secret as items
        return f"has to have at least {error['ctx']['min_length']} {'entry' if is_list else 'characters'}"
    if error["type"] == "extra_forbidden":
        return "there is no such field"
    if error["type"] == "missing":
        return "is missing"
    return str(error["msg"]).removeprefix("Value error, ")


def file_of_setting(settings: Settings, name: str) -> Path | None:
    """The file from which a setting was read, if it was."""
    return FileSource.path_of(name) if origins(settings)[name] == "file" else None


def origins(settings: Settings, overrides: frozenset[str] = frozenset()) -> dict[str, str]:
    """The origin of each setting's value: command line, environment, file, `.env`, or default."""
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
