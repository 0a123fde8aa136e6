"""Pages of the OpenAPI description: one for each tag, with its endpoints and the objects that they use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.support.site.schemas import Schema, about, anchor_of, objects_in, one_line, title_of, type_of

METHODS: Final = ("get", "post", "put", "patch", "delete")
HTTP_PAGE: Final = "../http.md"
_JSON: Final = "application/json"
_CSV: Final = "text/csv"
# Parameters of every request with a caller: the index describes them.
_ON_BEHALF_OF: Final = frozenset({"onBehalfOf", "X-On-Behalf-Of"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path, with its part of the OpenAPI description."""

    method: str
    path: str
    description: Schema

    @property
    def tag(self) -> str:
        return str(self.description["tags"][0])

    @property
    def title(self) -> str:
        return one_line(self.description["summary"]).removesuffix(".")

    @property
    def anchor(self) -> str:
        return str(self.description["operationId"])


class EndpointPages:
    """`description` is the OpenAPI description of the application."""

    def __init__(self, description: Schema) -> None:
        self._schemas: Mapping[str, Schema] = description["components"]["schemas"]
        self._shared: Mapping[str, Schema] = description["components"].get("responses", {})
        self._endpoints = [
            Endpoint(method, path, item[method])
            for path, item in description["paths"].items()
            for method in METHODS
            if method in item
        ]
        self._tags = sorted({endpoint.tag for endpoint in self._endpoints})

    def titles(self) -> list[tuple[str, str]]:
        """The title and the file of the page of each tag."""
        return [(_capitalised(tag), _file_of(tag)) for tag in self._tags]

    def pages(self) -> dict[str, str]:
        """The text of each page by its file."""
        pages = {"index.md": "\n".join(self._index())}
        return pages | {_file_of(tag): "\n".join(self._page(tag)) for tag in self._tags}

    def _of_tag(self, tag: str) -> list[Endpoint]:
        return [endpoint for endpoint in self._endpoints if endpoint.tag == tag]

    def _index(self) -> Iterator[str]:
        yield (
            f"# Endpoints\n\nThe {len(self._endpoints)} endpoints of the [HTTP API]({HTTP_PAGE}), generated from its "
            f"OpenAPI description, [openapi.json](../../openapi.json). An error is a [problem]({HTTP_PAGE}#errors). "
            "[Permissions](../permissions.md) lists who may call an endpoint, "
            f"[rate limits]({HTTP_PAGE}#rate-limits) how often. Every endpoint with a caller takes the parameter "
            "`onBehalfOf` or the header `X-On-Behalf-Of`: "
            "the person whom an API key [acts for](../../how-to/act-for-a-person.md).\n"
        )
        for tag in self._tags:
            yield f"## [{_capitalised(tag)}]({_file_of(tag)})\n\n| | |\n|---|---|"
            for each in self._of_tag(tag):
                address = f"{each.method.upper()} {each.path}"
                yield f"| [{each.title}]({_file_of(tag)}#{each.anchor}) | `{address}` |"
            yield ""
        yield from self._shared_errors()

    def _shared_errors(self) -> Iterator[str]:
        statuses = {
            response["$ref"].rpartition("/")[2]: status
            for endpoint in self._endpoints
            for status, response in endpoint.description["responses"].items()
            if "$ref" in response and status.isdigit()
        }
        yield "## Errors of many endpoints { #errors }\n\n| Status | Code |\n|---|---|"
        for name, status in sorted(statuses.items(), key=lambda item: item[1]):
            yield f"| {status} | {'<br>'.join(_codes(self._shared[name]))} |"
        yield ""

    def _page(self, tag: str) -> Iterator[str]:
        endpoints = self._of_tag(tag)
        yield f"# {_capitalised(tag)}\n"
        for endpoint in endpoints:
            yield from _endpoint(endpoint)
        used = self._used(endpoint.description for endpoint in endpoints)
        if used:
            yield "## Objects\n"
        for name in sorted(used):
            yield from _object(name, self._schemas[name])

    def _used(self, parts: Iterable[object]) -> set[str]:
        """The objects to which parts of the description refer, and those to which these objects refer."""
        found: set[str] = set()
        new = {name for part in parts for name in objects_in(part)}
        while new:
            found |= new
            new = {each for name in new for each in objects_in(self._schemas[name])} - found
        return found


def _endpoint(endpoint: Endpoint) -> Iterator[str]:
    description = endpoint.description
    yield f"## {endpoint.title} {{ #{endpoint.anchor} }}\n"
    yield f"**{endpoint.method.upper()}** `{endpoint.path}`\n{{ .endpoint .{endpoint.method} }}\n"
    if text := description.get("description"):
        yield f"{one_line(text)}\n"
    yield from _parameters(description)
    content: Mapping[str, Schema] = description.get("requestBody", {}).get("content", {})
    for media_type, form in content.items():
        yield f"**Body**, `{media_type}`: {type_of(form.get('schema', {}))}\n"
    yield from _example(content)
    yield from _responses(description)
    yield from _errors(description)


def _parameters(description: Schema) -> Iterator[str]:
    parameters = [each for each in description.get("parameters", ()) if each["name"] not in _ON_BEHALF_OF]
    if not parameters:
        return
    yield "| Parameter | In | Type | Description |\n|---|---|---|---|"
    for each in parameters:
        schema: Schema = each.get("schema", {})
        name = f"`{each['name']}`{', required' if each.get('required') else ''}"
        yield f"| {name} | {each['in']} | {type_of(schema)} | {about(schema, each.get('description'))} |"
    yield ""


def _responses(description: Schema) -> Iterator[str]:
    yield "| Response | Content | |\n|---|---|---|"
    for status, response in description["responses"].items():
        if not status.startswith("2"):
            continue
        content: Mapping[str, Schema] = response.get("content", {})
        types = [_content(media_type, form.get("schema")) for media_type, form in content.items()]
        text = one_line(response.get("description", "")).removesuffix(".")
        yield f"| {status} | {'<br>'.join(types) or 'none'} | {'' if text == 'Successful Response' else text} |"
    yield ""
    for status, response in description["responses"].items():
        if status.startswith("2"):
            yield from _example(response.get("content", {}))


def _example(content: Mapping[str, Schema]) -> Iterator[str]:
    """A request or a response that a test sends or gets."""
    for media_type, form in content.items():
        if "example" in form:
            example = form["example"]
            is_json = not isinstance(example, str)
            text = json.dumps(example, indent=2, ensure_ascii=False) if is_json else example.strip()
            language = "json" if is_json else "csv" if media_type == _CSV else "text"
            yield f"```{language}\n{text}\n```\n"


def _errors(description: Schema) -> Iterator[str]:
    """The codes of an endpoint's errors; of those that many endpoints have, a link to the index."""
    responses: Mapping[str, Schema] = dict(sorted(description["responses"].items()))
    errors = {status: each for status, each in responses.items() if status.isdigit() and not status.startswith("2")}
    shared = [status for status, each in errors.items() if "$ref" in each]
    own = [(status, each) for status, each in errors.items() if "$ref" not in each and codes_in(each)]
    if own:
        yield "| Error | Code |\n|---|---|"
        yield from (f"| {status} | {'<br>'.join(_codes(each))} |" for status, each in own)
        yield ""
    if shared:
        yield f"Errors, as of [many endpoints](index.md#errors): {', '.join(shared)}.\n"


def _codes(response: Schema) -> list[str]:
    return [f"`{code}`: {one_line(text)}" for code, text in codes_in(response)]


def codes_in(response: Schema) -> list[tuple[str, str]]:
    """The codes of a response and their texts."""
    return re.findall(r"^- `(\w+)`: (.*)$", response.get("description", ""), re.MULTILINE)


def _content(media_type: str, schema: Schema | None) -> str:
    return type_of(schema) if media_type == _JSON and schema else f"`{media_type}`"


def _object(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {title_of(name)} {{ #{anchor_of(name)} }}\n"
    if text := schema.get("description"):
        yield f"{one_line(text)}\n"
    properties: Mapping[str, Schema] = schema.get("properties", {})
    if not properties:
        yield f"{type_of(schema)}\n"
        return
    required = schema.get("required", ())
    yield "| Field | Type | Description |\n|---|---|---|"
    for field, value in properties.items():
        mark = ", required" if field in required else ""
        yield f"| `{field}`{mark} | {type_of(value)} | {about(value)} |"
    yield ""
    for example in schema.get("examples", ()):
        yield from _example({_JSON: {"example": example}})


def _capitalised(tag: str) -> str:
    return tag[:1].upper() + tag[1:]


def _file_of(tag: str) -> str:
    return re.sub(r"[^a-z]+", "-", tag.replace("'", "")) + ".md"
