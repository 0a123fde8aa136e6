"""Schemas of the OpenAPI description in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

Schema = Mapping[str, Any]
"""A schema of OpenAPI, as JSON."""

_REFERENCE: Final = "#/components/schemas/"
_FORMATS: Final = {"date": "date", "date-time": "time", "binary": "file", "uuid": "UUID", "time": "time of day"}
# The lower and the upper limit, and what they count.
_LIMITS: Final = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " entries"),
)
# A limit beyond it is that of the database, about which nothing has to be said.
_LARGEST: Final = 2**53


def type_of(schema: Schema) -> str:
    """The type of a value in a few words, with a link to each object."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(_REFERENCE)
        return f"[{title_of(name)}](#{anchor_of(name)})"
    if parts := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(dict.fromkeys(map(type_of, parts)))
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return ", ".join(f"`{value}`" for value in values)
    return _simple_type(schema)


def _simple_type(schema: Schema) -> str:
    kind, values = schema.get("type"), schema.get("additionalProperties")
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    if kind == "object" and isinstance(values, dict):
        return f"object of {type_of(cast('Schema', values))}"
    return _FORMATS.get(schema.get("format", ""), str(kind or "any value"))


def title_of(name: str) -> str:
    """The name of an object; one page of a list is `Page_Name_`."""
    return name if not name.startswith("Page_") else f"Page of {name.removeprefix('Page_').removesuffix('_')}"


def anchor_of(name: str) -> str:
    return name.strip("_").lower()


def objects_in(value: object) -> Iterator[str]:
    """The names of the objects to which a part of the description refers."""
    if isinstance(value, dict):
        for key, each in cast("dict[str, object]", value).items():
            if key == "$ref" and isinstance(each, str) and each.startswith(_REFERENCE):
                yield each.removeprefix(_REFERENCE)
            else:
                yield from objects_in(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from objects_in(each)


def about(schema: Schema, description: str | None = None) -> str:
    """The description of a value, its limits and its default, in sentences."""
    parts = (description or _description(schema), _limits(schema), _default(schema))
    return " ".join(f"{one_line(part).removesuffix('.')}." for part in parts if part)


def one_line(text: str) -> str:
    """A text with nothing that ends a cell of a table or begins an element."""
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|").replace("<", "&lt;")


def _description(schema: Schema) -> str | None:
    """That of a value that may be null is in the schema of the value."""
    parts: Sequence[Schema] = schema.get("anyOf", ())
    return schema.get("description") or next((part["description"] for part in parts if "description" in part), None)


def _limits(schema: Schema) -> str:
    parts: Sequence[Schema] = schema.get("anyOf", (schema,))
    limits = {key: value for part in parts for key, value in part.items()}
    found = (_limit(limits.get(least), limits.get(most), unit) for least, most, unit in _LIMITS)
    return "; ".join(filter(None, found)).capitalize()


def _limit(lowest: float | None, highest: float | None, unit: str) -> str:
    if highest is not None and highest <= _LARGEST:
        return f"at most {highest:,.0f}{unit}" if lowest is None else f"{lowest:,.0f} to {highest:,.0f}{unit}"
    return f"at least {lowest:,.0f}{unit}" if lowest else ""


def _default(schema: Schema) -> str:
    default = schema.get("default")
    if default is None or default in ("", []):
        return ""
    return f"Default: `{str(default).lower() if isinstance(default, bool) else default}`"
