"""Settings of the servers that a process opens and serves, of their addresses, and of the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from adsum.platform.setting_groups.values import Addresses, Origin, SigningKeys, WebAddress
from adsum.platform.signing_keys import MIN_KEY_LENGTH


class ServerSettings(BaseSettings):
    """Servers, addresses and keys."""

    database_url: Annotated[
        str | None,
        Field(
            description="`postgresql://…`, also with [several hosts](../how-to/run-with-standbys.md), or "
            "`sqlite:///path`. Unset: SQLite in the data folder."
        ),
    ] = None
    database_read_url: Annotated[
        str | None,
        Field(
            description="`postgresql://…` of a standby of that Postgres, from which lists, reports and exports are "
            "read ([how](../how-to/run-with-standbys.md#read-from-a-standby)). Unset: all is read from the primary."
        ),
    ] = None
    database_read_max_lag: Annotated[
        float,
        Field(
            ge=0.5,
            le=300,
            description="Seconds by which the standby of `ADSUM_DATABASE_READ_URL` may be behind. Beyond that, and "
            "while it does not answer, everything is read from the primary.",
        ),
    ] = 10.0
    redis_url: Annotated[
        str | None,
        Field(
            description="Valkey or Redis: `redis://…`, `rediss://…` or `unix://…`; with "
            "[Sentinels](../how-to/run-with-standbys.md#the-url) `redis+sentinel://…` or `rediss+sentinel://…`; in a "
            "[cluster](../how-to/run-in-a-cluster.md) `redis+cluster://…` or `rediss+cluster://…`. Its "
            "`maxmemory-policy` must be `noeviction`. Unset: the Valkey server that `adsum up` starts in the data "
            "folder."
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
