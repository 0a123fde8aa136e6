"""Types of settings: texts of one form."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from adsum.platform.addresses import is_encrypted_or_local
from adsum.platform.signing_keys import WrongKeys, parse_keys

MAX_ADDRESS = 255
# A test compares them with those of `accounts`.
ROLES_OF_USERS = ("admin", "office", "teacher", "viewer", "operator")


def _key_prefix(text: str) -> str:
    if any(character.isspace() for character in text):
        raise ValueError("a key prefix has no blanks")
    return text


def _shard_numbers(text: str) -> str:
    numbers = text.replace(" ", "")
    if numbers and not all(each.isdecimal() for each in numbers.split(",")):
        raise ValueError(f"{text!r} is not a list of numbers, such as 0,2")
    return numbers


def _origin(url: str) -> str:
    """The origin of a site, without a slash at its end."""
    parts = urlsplit(url)
    is_origin = parts.scheme in {"http", "https"} and parts.hostname and parts.path in {"", "/"}
    if not is_origin or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{url!r} is not the address of a site, such as https://adsum.school.example")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError(f"{url!r} is not the address of a page, such as https://docs.school.example/adsum/index.html")
    return url


def service_address(url: str) -> str:
    """The address of a service to which secrets are sent. Raises ValueError."""
    if not is_encrypted_or_local(url) or urlsplit(url).query or len(url) > MAX_ADDRESS:
        raise ValueError(f"{url!r} is not an https address of at most {MAX_ADDRESS} characters without a query")
    return url.rstrip("/")


def _addresses(text: str) -> str:
    """Checks addresses and networks that are separated by commas. `*` alone is all addresses."""
    for each in (part.strip() for part in text.split(",") if text.strip() not in ("", "*")):
        try:
            ip_network(each)
        except ValueError:
            raise ValueError(
                f"{each!r} is neither an IP address nor a network, such as 10.0.0.7 or 10.0.0.0/8"
            ) from None
    return text


def _signing_keys(text: SecretStr) -> SecretStr:
    try:
        parse_keys(text.get_secret_value())
    except WrongKeys as wrong:
        raise ValueError(str(wrong)) from None
    return text


def _roles(text: str) -> str:
    """Checks roles that are separated by commas."""
    for each in (part.strip() for part in text.split(",") if part.strip()):
        if each not in ROLES_OF_USERS:
            raise ValueError(f"{each!r} is no role: name some of {', '.join(ROLES_OF_USERS)}")
    return text


def _emails(text: str) -> str:
    """Checks email addresses that are separated by commas."""
    for each in (part.strip() for part in text.split(",") if text.strip()):
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", each):
            raise ValueError(f"{each!r} is not an email address")
    return text


KeyPrefix = Annotated[str, AfterValidator(_key_prefix)]
ShardNumbers = Annotated[str, AfterValidator(_shard_numbers)]
Origin = Annotated[str, AfterValidator(_origin)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
ServiceAddress = Annotated[str, AfterValidator(service_address)]
Addresses = Annotated[str, AfterValidator(_addresses)]
SigningKeys = Annotated[SecretStr, AfterValidator(_signing_keys)]
Roles = Annotated[str, AfterValidator(_roles)]
Emails = Annotated[str, AfterValidator(_emails)]
