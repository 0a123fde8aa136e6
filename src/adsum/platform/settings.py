"""The settings, from environment variables, a `.env` file, and files named by `ADSUM_…_FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from adsum.platform.errors import ConfigurationError
from adsum.platform.oidc_settings import MAX_PROVIDERS, OidcProvider, distinct_providers, is_loopback_host, providers_in
from adsum.platform.setting_files import PREFIX, FileSource
from adsum.platform.setting_values import (
    Addresses,
    Emails,
    KeyPrefix,
    Origin,
    Roles,
    ServiceAddress,
    SigningKeys,
    WebAddress,
)
from adsum.platform.signing_keys import MIN_KEY_LENGTH
from adsum.platform.time_zones import known_time_zone

SECRETS = frozenset({"secret_key", "signing_keys", "database_url", "redis_url", "roster_sync_client_secret"})


class Settings(BaseSettings):
    """Every setting, validated. `docs/reference/settings.md` is generated from the descriptions."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    database_url: Annotated[
        str | None,
        Field(description="`postgresql://…` or `sqlite:///path`. Unset: SQLite in the data folder."),
    ] = None
    redis_url: Annotated[
        str | None,
        Field(
            description="Valkey or Redis: `redis://…`, `rediss://…` or `unix://…`. Its `maxmemory-policy` must be "
            "`noeviction`. Unset: the Valkey server that `adsum up` starts in the data folder."
        ),
    ] = None
    data_dir: Annotated[Path, Field(description="The folder in which `adsum up` keeps everything.")] = Path(
        "adsum-data"
    )
    host: Annotated[str, Field(description="The address on which the API listens.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="The port on which the API listens. 0: any free port.")] = (
        8000
    )
    valkey_port: Annotated[
        int,
        Field(
            ge=0,
            le=65535,
            description="A loopback port for the Valkey server of `adsum up`, whose password is in the file "
            "`valkey-password` of the data folder. 0: unix socket only.",
        ),
    ] = 0
    public_url: Annotated[
        Origin | None,
        Field(description="The address that people use, such as `https://adsum.school.example`."),
    ] = None
    documentation_url: Annotated[
        WebAddress | None,
        Field(description="The address of the documentation, to which `/docs` links, where a web server serves it."),
    ] = None
    trusted_proxies: Annotated[
        Addresses,
        Field(
            description="Addresses and networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are "
            "trusted, separated by commas. `*`: all, and the last address that they report is the client's."
        ),
    ] = "127.0.0.1,::1"
    webhook_allowed_networks: Annotated[
        Addresses,
        Field(
            description="Addresses and networks that webhooks may reach although they are not public, also without "
            "TLS, separated by commas, such as `10.1.0.0/16`. `*`: all."
        ),
    ] = ""
    allow_plain_http: Annotated[
        bool, Field(description="Accept passwords on the sign-in page over HTTP from other machines.")
    ] = False
    hsts_subdomains: Annotated[
        bool,
        Field(
            description="Whether browsers, once they have seen Adsum over HTTPS, use nothing else for the hosts below "
            "that of Adsum, too. `false`: Adsum is at `school.example` itself, and a host below it has no HTTPS."
        ),
    ] = True
    secret_key: Annotated[
        Annotated[SecretStr, Field(min_length=MIN_KEY_LENGTH)] | None,
        Field(description="Signs tokens; at least 32 characters. Unset: the key of the data folder."),
    ] = None
    signing_keys: Annotated[
        SigningKeys | None,
        Field(
            description="Instead of `ADSUM_SECRET_KEY`, to [rotate keys](../how-to/rotate-signing-keys.md): keys on "
            "lines or between commas. The first one signs; the others only verify, each without end or as "
            "`KEY until 2027-01-31T00:00:00Z`. The file of `ADSUM_SIGNING_KEYS_FILE` is read again when it changes."
        ),
    ] = None
    backup_recipients: Annotated[
        str,
        Field(
            description="Public keys of [age](../how-to/back-up-and-restore.md#encrypted-backups), separated by commas "
            "or blanks, to which `adsum backup` encrypts. Empty: backups are not encrypted."
        ),
    ] = ""
    token_ttl: Annotated[int, Field(ge=60, description="Seconds after which a sign-in and its token end.")] = 12 * 3600
    password_min_length: Annotated[
        int,
        Field(
            ge=8,
            le=64,
            description="The minimum length of a new password. NIST SP 800-63B asks for 15 without a second factor.",
        ),
    ] = 12
    breached_passwords: Annotated[
        Path | None,
        Field(
            description="A file or folder with the SHA-1 hashes of passwords that are known from data breaches, as "
            "[Have I Been Pwned](../how-to/run-in-production.md#breached-passwords) offers for download. New passwords "
            "are looked up there. Unset: they are not."
        ),
    ] = None
    oidc_providers: Annotated[
        tuple[OidcProvider, ...],
        NoDecode,
        BeforeValidator(providers_in),
        AfterValidator(distinct_providers),
        Field(
            max_length=MAX_PROVIDERS,
            description="OpenID Connect providers at which users sign in: a JSON list, see [below](#providers). It "
            "contains secrets, so a file is the best place: `ADSUM_OIDC_PROVIDERS_FILE`.",
        ),
    ] = ()
    password_sign_in: Annotated[
        bool,
        Field(
            description="Whether users sign in with a password of Adsum. `false`: only those of "
            "`ADSUM_EMERGENCY_ACCOUNTS` do."
        ),
    ] = True
    emergency_accounts: Annotated[
        Emails,
        Field(
            description="Emails of the users, separated by commas, who keep their password if "
            "`ADSUM_PASSWORD_SIGN_IN` is `false`."
        ),
    ] = ""
    idle_timeout: Annotated[
        int,
        Field(
            ge=60,
            description="Seconds without use after which a sign-in on the page ends. Automatic updates of an open "
            "page do not count as use.",
        ),
    ] = 3600
    second_factor_roles: Annotated[
        Roles,
        Field(
            description="Roles whose users need a second factor, separated by commas, such as `admin,office`. Without "
            "one they can only set it up."
        ),
    ] = ""
    second_factor_of_provider: Annotated[
        bool,
        Field(
            description="Whether the second factor of a single sign-on provider counts where "
            "`ADSUM_SECOND_FACTOR_ROLES` needs one."
        ),
    ] = False
    confirmed_for: Annotated[
        int,
        Field(
            ge=30,
            le=12 * 3600,
            description="Seconds after which a signed-in user is asked again for the password or the second factor "
            "before critical actions.",
        ),
    ] = 600
    key_max_days: Annotated[
        int,
        Field(
            ge=0,
            le=3_660,
            description="Days after which an API key expires at the latest. Existing ones that last longer get a "
            "warning. 0: keys may last permanently.",
        ),
    ] = 0
    timezone: Annotated[
        Annotated[str, AfterValidator(known_time_zone)] | None,
        Field(description="The IANA time zone of new schools. Unset: UTC, with a warning of the import."),
    ] = None
    roster_sync_url: Annotated[
        ServiceAddress | None,
        Field(
            description="The OneRoster 1.2 REST service with which `adsum roster sync` [syncs]"
            "(../how-to/sync-a-roster.md): the address before `/users`, such as "
            "`https://sis.example/ims/oneroster/rostering/v1p2`."
        ),
    ] = None
    roster_sync_token_url: Annotated[
        ServiceAddress | None,
        Field(description="The token endpoint of that service (OAuth 2 client credentials)."),
    ] = None
    roster_sync_client_id: Annotated[
        Annotated[str, Field(max_length=255)] | None, Field(description="The id of Adsum at that service.")
    ] = None
    roster_sync_client_secret: Annotated[
        Annotated[SecretStr, Field(min_length=1, max_length=1_000)] | None,
        Field(description="The secret of Adsum at that service. A file is the best place."),
    ] = None
    roster_sync_scope: Annotated[
        str,
        Field(max_length=1_000, description="The scopes that Adsum asks for, separated by blanks."),
    ] = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"
    roster_sync_interval: Annotated[
        int,
        Field(
            ge=0,
            le=30 * 86400,
            description="Seconds between two syncs by a worker. 0: workers do not sync, only `adsum roster sync` does.",
        ),
    ] = 0
    roster_sync_full_interval: Annotated[
        int,
        Field(
            ge=0,
            le=366 * 86400,
            description="Seconds after which a sync by a worker reads everything instead of the changes.",
        ),
    ] = 86400
    queue_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", description="The name of the BullMQ queue.")] = (
        "attendance"
    )
    key_prefix: Annotated[
        KeyPrefix,
        Field(description="Precedes every Redis key, so that installations can share a server."),
    ] = ""
    chunk_size: Annotated[
        int,
        Field(
            ge=1,
            le=5000,
            description="Students in one BullMQ message. With 1, message ids are those of the earlier Node service.",
        ),
    ] = 500
    max_batch_size: Annotated[int, Field(ge=1, le=20_000, description="Maximum number of students in one batch.")] = (
        10_000
    )
    worker_processes: Annotated[
        Annotated[int, Field(ge=1, le=256)] | None,
        Field(
            description="Processes that `adsum worker` keeps running. Unset: half of the cores. `adsum up` runs one."
        ),
    ] = None
    worker_concurrency: Annotated[
        int,
        Field(
            ge=1, le=1000, description="Messages that a worker process holds at once. Up to 64 are written together."
        ),
    ] = 128
    worker_metrics_port: Annotated[
        int,
        Field(
            ge=0,
            le=65535,
            description="The port on which a worker serves its metrics; further workers take the next ports. 0: none.",
        ),
    ] = 0
    worker_metrics_host: Annotated[
        str, Field(description="The address on which a worker serves its metrics. They need no key: keep it private.")
    ] = "127.0.0.1"
    message_lock: Annotated[
        float, Field(ge=0.1, le=60, description="Seconds after which a silent worker loses its message.")
    ] = 5.0
    stall_interval: Annotated[
        float, Field(ge=0.1, le=60, description="Seconds between two searches for messages of silent workers.")
    ] = 1.0
    lock_ttl: Annotated[
        int, Field(ge=1, description="Seconds until the lock, counter and job keys of a batch expire.")
    ] = 3600
    completed_ttl: Annotated[int, Field(ge=1, description="Seconds until the completion marker expires.")] = 86400
    sweep_interval: Annotated[
        float, Field(ge=0.05, le=60, description="Seconds between two searches for stalled runs.")
    ] = 2.0
    sweep_grace: Annotated[
        float, Field(ge=0, le=60, description="Seconds until a new run is first checked by the sweeper.")
    ] = 2.0
    keep_runs_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_500,
            description="Days after which an ended run is reduced to its counts. 0: runs are kept permanently.",
        ),
    ] = 400
    keep_events_days: Annotated[
        int,
        Field(
            ge=1,
            le=3_650,
            description="Days for which the feed of events reaches back. At most ADSUM_KEEP_RUNS_DAYS.",
        ),
    ] = 30
    register_missing_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=1_440,
            description="Minutes after the beginning of a session after which its register is reported as missing, "
            "by an event. 0: never.",
        ),
    ] = 30
    unexplained_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=1_440,
            description="Minutes after the mark of an unexplained absence after which the student is reported, "
            "by an event. 0: never.",
        ),
    ] = 60
    keep_audit_years: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="Years after which an entry of the audit log is removed. 0: entries are kept permanently.",
        ),
    ] = 0
    max_body_bytes: Annotated[int, Field(ge=1024, description="The largest request body, in bytes.")] = 4 * 1024 * 1024
    max_import_bytes: Annotated[int, Field(ge=1024, description="The largest roster or attendance file, in bytes.")] = (
        64 * 1024 * 1024
    )
    rate_limit_key: Annotated[
        int, Field(ge=0, description="Requests of one API key in a minute. Further ones get 429. 0: any number.")
    ] = 60_000
    rate_limit_user: Annotated[int, Field(ge=0, description="Requests of one user in a minute. 0: any number.")] = (
        60_000
    )
    rate_limit_address: Annotated[
        int,
        Field(
            ge=0,
            description="Requests without a caller from one address (one /64 of IPv6) in a minute, such as sign-ins. "
            "0: any number.",
        ),
    ] = 30_000
    rate_limit_costly: Annotated[
        int,
        Field(ge=0, description="Exports, imports and reports of one API key or user in a minute. 0: any number."),
    ] = 1_200
    max_connections: Annotated[
        int, Field(ge=10, description="Open connections of one API process. Further ones get 503.")
    ] = 2_000
    max_connections_per_address: Annotated[
        int,
        Field(
            ge=1,
            description="Open connections of one address (one /64 of IPv6) to one API process. Trusted proxies have no "
            "limit.",
        ),
    ] = 500
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
    def _lets_somebody_sign_in(self) -> Settings:
        if not self.password_sign_in and not self.oidc_providers and not self.emergency_emails:
            raise ValueError(
                f"{PREFIX}PASSWORD_SIGN_IN: nobody could sign in: set {PREFIX}OIDC_PROVIDERS or "
                f"{PREFIX}EMERGENCY_ACCOUNTS, too"
            )
        return self

    @model_validator(mode="after")
    def _keeps_runs_of_events(self) -> Settings:
        if 0 < self.keep_runs_days < self.keep_events_days:
            raise ValueError(
                f"{PREFIX}KEEP_EVENTS_DAYS: may not exceed {PREFIX}KEEP_RUNS_DAYS, since events about a batch are read "
                "from its run"
            )
        return self

    @model_validator(mode="after")
    def _has_address_for_providers(self) -> Settings:
        if self.oidc_providers and self.public_url is None and not is_loopback_host(self.host):
            raise ValueError(
                f"{PREFIX}PUBLIC_URL: {PREFIX}OIDC_PROVIDERS needs the address that people use, such as "
                "https://adsum.school.example"
            )
        return self

    @model_validator(mode="after")
    def _has_everything_for_syncs(self) -> Settings:
        names = ("url", "token_url", "client_id", "client_secret")
        missing = [f"{PREFIX}ROSTER_SYNC_{name.upper()}" for name in names if not getattr(self, f"roster_sync_{name}")]
        if self.roster_sync_interval and missing:
            raise ValueError(f"{PREFIX}ROSTER_SYNC_INTERVAL: a sync needs {', '.join(missing)}")
        return self

    @property
    def emergency_emails(self) -> frozenset[str]:
        """The emergency accounts, normalised as the emails of users."""
        return frozenset(each.strip().lower() for each in self.emergency_accounts.split(",") if each.strip())

    @property
    def roles_with_second_factor(self) -> frozenset[str]:
        return frozenset(part.strip() for part in self.second_factor_roles.split(",") if part.strip())

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


def file_of(settings: Settings, name: str) -> Path | None:
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
