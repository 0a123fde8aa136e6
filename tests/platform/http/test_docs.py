"""The page `/docs`, which loads nothing from other sites, and the security headers of every response."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from typing_extensions import override

from tests.support.frame import Frame


class Loads(HTMLParser):
    """Collects the addresses that a page loads, and its inline content."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value for name in ("src", "href") if (value := given.get(name))]
        if (tag == "script" and not given.get("src")) or tag == "style":
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


async def loads(full_frame: Frame) -> Loads:
    page = await full_frame.client.get("/docs")
    assert page.status_code == 200
    found = Loads()
    found.feed(page.text)
    return found


async def test_the_page_loads_nothing_from_other_sites_and_has_nothing_inline(frame: Frame) -> None:
    found = await loads(frame)
    assert len(found.addresses) == 4
    assert found.inline == []
    for address in found.addresses:
        assert address.startswith("/docs/")
        answer = await frame.client.get(address)
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_neither_the_script_nor_the_styles_name_another_site(frame: Frame) -> None:
    script = (await frame.client.get("/docs/docs.js")).text
    assert re.findall(r"(?:https?:)?//[a-z]", script.replace("// ", "")) == []
    assert 'url: "/openapi.json"' in script
    assert "validatorUrl: null" in script  # the one request that Swagger UI makes to its makers by default
    styles = (await frame.client.get("/docs/swagger-ui.css")).text
    loaded = re.findall(r"(?:url\(|@import\s)\s*[\"']?([^\"')\s]+)", styles)
    assert all(address.startswith("data:") for address in loaded)


async def test_the_policy_of_the_page_forbids_other_sites(frame: Frame) -> None:
    policy = (await frame.client.get("/docs")).headers["content-security-policy"]
    rules: dict[str, list[str]] = {
        name: sources for name, *sources in (rule.split() for rule in policy.split(";") if rule.strip())
    }
    assert rules["default-src"] == ["'self'"]
    assert rules["img-src"] == ["'self'", "data:"]
    assert "unsafe" not in policy


async def test_no_other_file_is_served_beside_the_page(frame: Frame) -> None:
    for name in ("docs.html", "redoc.standalone.js", "..%2F__init__.py", "%2e%2e/app.py"):
        assert (await frame.client.get(f"/docs/{name}")).status_code == 404


async def test_the_description_names_every_way_to_authenticate_and_the_form_of_errors(frame: Frame) -> None:
    description: dict[str, Any] = (await frame.client.get("/openapi.json")).json()
    assert description["components"]["securitySchemes"].keys() == {"bearerToken", "apiKey"}
    assert "HTTPValidationError" not in str(description)
    for item in description["paths"].values():
        for operation in item.values():
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}


async def test_every_response_has_the_security_headers(frame: Frame) -> None:
    for path in ("/livez", "/nowhere", "/docs", "/openapi.json", "/trial/failures/surprise"):
        headers = (await frame.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-request-id"]


async def test_the_root_redirects_to_the_sign_in_page(frame: Frame) -> None:
    answer = await frame.client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/")
