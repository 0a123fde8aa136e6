"""The options of TLS in the URLs of several servers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

# Options of redis-py.
TLS_OPTIONS = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
)
CERTIFICATES = ("required", "optional", "none")
# As redis-py reads the options of other URLs.
_FALSE = frozenset({"0", "f", "false", "n", "no"})


def read_tls_options(
    given: Mapping[str, str], *, scheme: str, is_encrypted: bool, others: Collection[str] = ()
) -> dict[str, Any]:
    """The options of a URL's query for connections with TLS.

    Args:
        given: the query.
        scheme: of URLs with TLS.
        is_encrypted: whether the URL has it.
        others: names of the query that are allowed beside those of TLS.

    Raises:
        ValueError: an option is unknown, needs TLS, or has a wrong value.
    """
    if unknown := sorted(given.keys() - TLS_OPTIONS - set(others)):
        raise ValueError(f"unknown in its query: {', '.join(unknown)}")
    if (unused := sorted(given.keys() & TLS_OPTIONS)) and not is_encrypted:
        raise ValueError(f"{', '.join(unused)}: TLS needs {scheme}://")
    tls: dict[str, Any] = {name: given[name] for name in sorted(given.keys() & TLS_OPTIONS)}
    if tls.get("ssl_cert_reqs", "none") not in CERTIFICATES:
        raise ValueError(f"ssl_cert_reqs is one of {', '.join(CERTIFICATES)}")
    if "ssl_check_hostname" in tls:
        tls["ssl_check_hostname"] = read_flag("ssl_check_hostname", tls["ssl_check_hostname"])
    if is_encrypted:
        tls["ssl"] = True
    return tls


def read_flag(name: str, value: str) -> bool:
    """Raises ValueError: the value is neither true nor false."""
    if value.lower() not in {"true", "false"}:
        raise ValueError(f"{name} is true or false")
    return value.lower() == "true"


def is_verified(tls: Mapping[str, Any]) -> bool:
    """Whether these options of TLS let a server prove who it is. The name in the
    certificate may differ only if a private authority has signed it, because public authorities sign for everybody.
    """
    checks_name = str(tls.get("ssl_check_hostname", True)).lower() not in _FALSE
    has_own_authority = bool(tls.get("ssl_ca_certs") or tls.get("ssl_ca_path"))
    return tls.get("ssl_cert_reqs") != "none" and (checks_name or has_own_authority)
