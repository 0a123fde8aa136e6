"""The examples of the OpenAPI description are what Adsum answers and tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from adsum.platform.database.new_events import EventType
from adsum.platform.settings import Settings
from tests.platform.http.examples.files import COMMAND, files_of
from tests.platform.http.examples.recording import ALLOWED_NETWORK, recorded
from tests.platform.http.snapshot import recorded as description
from tests.support.live import SECRET

JSON = "application/json"


def operations() -> Iterator[dict[str, Any]]:
    for item in description()["paths"].values():
        yield from item.values()


async def test_the_examples_are_the_answers_of_a_new_school(sqlite_url: str, redis_url: str) -> None:
    settings = Settings(
        database_url=sqlite_url,
        redis_url=redis_url,
        secret_key=SecretStr(SECRET),
        webhook_allowed_networks=ALLOWED_NETWORK,
    )
    for path, text in files_of(*await recorded(settings)).items():
        assert path.read_text(encoding="utf-8") == text, f"record it with `{COMMAND}`"


def test_every_request_with_a_body_has_an_example_and_each_in_json() -> None:
    bodies = {each["operationId"]: each["requestBody"]["content"] for each in operations() if "requestBody" in each}
    lacking = {name for name, content in bodies.items() if not any("example" in each for each in content.values())}
    assert (
        lacking | {name for name, content in bodies.items() if "example" not in content.get(JSON, "example")} == set()
    )


def test_every_response_with_a_body_has_an_example() -> None:
    answered = {each["operationId"]: content_of(each) for each in operations()}
    lacking = [name for name, content in answered.items() if content and not any("example" in each for each in content)]
    assert lacking == []


def content_of(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The content of all good responses."""
    good = [response for status, response in operation["responses"].items() if status.startswith("2")]
    return [form for response in good for form in response.get("content", {}).values()]


def test_every_type_of_event_has_an_example_with_all_fields_of_its_data() -> None:
    schemas = description()["components"]["schemas"]
    found: set[str] = set()
    for schema in schemas.values():
        for example in schema.get("examples", ()):
            data = schemas[schema["properties"]["data"]["$ref"].rpartition("/")[2]]
            assert example["data"].keys() == data["properties"].keys()
            found.add(example["type"])
    assert found == set(EventType)
