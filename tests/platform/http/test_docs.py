"""The page `/docs`, which loads nothing from other sites, and the security headers of every response."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi import Depends
from fastapi.security import HTTPBasic
from pydantic import SecretStr, ValidationError
from typing_extensions import override

from adsum.accounts.access import Permission
from adsum.accounts.authentication import SCHEMES
from adsum.app import create_app
from adsum.platform.http.openapi import Application
from adsum.platform.settings import Settings
from tests.platform.http.permissions import endpoints
from tests.platform.http.snapshot import present
from tests.support.frame import NOBODY_LISTENS, SECRET, Frame, running
from tests.support.live import ROOT


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


def test_every_operation_with_a_caller_names_how_callers_name_themselves_and_no_public_one_does() -> None:
    paths = present()["paths"]
    named = {
        (each.method, each.path): paths[each.path][each.method.lower()].get("security")
        for each in endpoints()
        if not each.is_public
    }
    assert {key for key, schemes in named.items() if schemes != [{"bearerToken": []}, {"apiKey": []}]} == set()
    public = [paths[each.path][each.method.lower()] for each in endpoints() if each.is_public]
    assert named
    assert public
    assert not any("security" in operation for operation in public)


def test_a_scheme_of_one_feature_is_described_beside_those_of_callers() -> None:
    async def nothing() -> None:
        pass

    app = Application()
    app.security_schemes = SCHEMES
    app.add_api_route("/own", nothing, dependencies=[Depends(HTTPBasic(scheme_name="own"))])
    description = app.openapi()
    assert description["components"]["securitySchemes"].keys() == {"own", "bearerToken", "apiKey"}
    assert description["paths"]["/own"]["get"]["security"] == [{"own": []}]


async def test_the_description_links_to_the_documentation_where_a_setting_names_it(sqlite_url: str) -> None:
    url = "https://docs.school.example/adsum/index.html"
    assert "externalDocs" not in present()
    app = create_app(Settings(database_url=sqlite_url, documentation_url=url))
    assert isinstance(app, Application)
    app.router.routes.clear()  # to describe every operation takes a second
    app.examples = ()
    linked = app.openapi()
    assert linked["externalDocs"] == {"description": "Documentation", "url": url}


@pytest.mark.parametrize("url", ["javascript:alert(1)", "docs.school.example", "https://", "https://a:b@docs.example/"])
def test_the_documentation_is_at_the_address_of_a_page(url: str) -> None:
    with pytest.raises(ValidationError, match="is not the address of a page"):
        Settings(documentation_url=url)


async def test_every_response_has_the_security_headers(frame: Frame) -> None:
    for path in ("/livez", "/nowhere", "/docs", "/openapi.json", "/trial/failures/surprise", "/sign-in"):
        headers = (await frame.client.get(path, headers={"Origin": "https://evil.example"})).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'self'" in headers["content-security-policy"]
        for rule in ("frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'", "form-action 'self'"):
            assert rule in headers["content-security-policy"]
        assert [name for name in headers if name.startswith("access-control")] == []
        assert "strict-transport-security" not in headers
        assert headers["x-request-id"]


async def test_the_root_redirects_to_the_sign_in_page(frame: Frame) -> None:
    answer = await frame.client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/")


async def test_over_https_every_response_demands_https_for_a_year_also_of_hosts_below(sqlite_url: str) -> None:
    for covers, policy in ((True, "max-age=31536000; includeSubDomains"), (False, "max-age=31536000")):
        settings = Settings(
            database_url=sqlite_url, redis_url=NOBODY_LISTENS, secret_key=SecretStr(SECRET), hsts_subdomains=covers
        )
        async with running(settings) as frame:
            for path in ("/livez", "/nowhere", "/sign-in", "/trial/failures/surprise"):
                answer = await frame.client.get(f"https://adsum.example{path}")
                assert answer.headers["strict-transport-security"] == policy


async def test_every_text_names_its_encoding(frame: Frame) -> None:
    names = (*("adsum.css", "adsum.svg", "live.js"),)
    for path in ("/sign-in", "/docs", "/docs/docs.js", "/docs/swagger-ui.css", *(f"/static/{name}" for name in names)):
        content_type = (await frame.client.get(path)).headers["content-type"]
        assert content_type.endswith("; charset=utf-8"), path
    key = await frame.adsum.api_keys.create("all", [Permission.METRICS_READ, Permission.ATTENDANCE_READ])
    for path in ("/metrics", "/attendances"):
        answer = await frame.client.get(path, headers={"X-API-Key": key.secret, "Accept": "text/csv"})
        assert "charset=utf-8" in answer.headers["content-type"], path


def test_no_template_has_scripts_or_styles_of_its_own_or_marks_texts_of_others_as_html() -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src" / "adsum").rglob("templates/**/*.html")}
    assert len(pages) > 40
    for path, page in pages.items():
        assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*(?:\ssrc=|json))", page) == [], path
        # Only constants of the template itself, and ids.
        marked = re.findall(r"(\S*)\|safe\b", page)
        assert [each for each in marked if not each.endswith(("'", "')", "_id|string"))] == [], path


def test_no_script_of_a_page_makes_html_of_texts() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "src" / "adsum").rglob("static/*.js")}
    ours = {name: script for name, script in scripts.items() if name != "htmx.min.js"}  # swaps in fragments of pages
    assert len(ours) > 5
    making = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\(|new Function"
    assert [name for name, script in ours.items() if re.search(making, script)] == []
