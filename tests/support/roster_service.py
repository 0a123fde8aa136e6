"""A OneRoster 1.2 REST service on loopback, which serves OneRoster files, and that a test can make answer wrongly."""

from __future__ import annotations

import base64
import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from tests.support.servers.http_server import Reply, Request, answering

PATH = "/ims/oneroster/rostering/v1p2"
CLIENT_ID = "adsum client"
CLIENT_SECRET = "roster-secret:%&"
SCOPE = "https://purl.imsglobal.org/spec/or/v1p2/scope/roster-core.readonly"
COLLECTIONS = ("orgs", "academicSessions", "classes", "users", "enrollments")
FIRST = "2024-08-01T00:00:00.000Z"
_FILTER = re.compile(r"dateLastModified>='([^']+)'")

Json = dict[str, Any]


@dataclass
class Fault:
    """A wrong answer. `content`: instead of the right one; `cut`: only half of the content is sent."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content: bytes | None = None
    cut: bool = False


@dataclass
class RosterService:
    """The objects by collection, and how they are served.

    Attributes:
        url, token_url: of the service.
        faults: by collection (or `token`) and number of the request to it, from 1; number 0: every request.
        before: called before each answer, with the collection and the number of the request.
        max_limit: objects in one page at most.
        has_links, has_total: whether pages have the headers `Link` and `X-Total-Count`.
        has_cursors: whether links lead to a cursor instead of an offset.
        has_filters: whether `filter` has an effect.
        uses_of_tokens: requests after which a token has expired.
        asked: the queries by collection.
        hosts: of the links.
    """

    objects: dict[str, list[Json]]
    url: str = ""
    token_url: str = ""
    faults: dict[tuple[str, int], Fault] = field(default_factory=dict[tuple[str, int], Fault])
    before: Callable[[str, int], object] = lambda _collection, _number: None
    max_limit: int = 1_000
    has_links: bool = True
    has_total: bool = True
    has_cursors: bool = False
    has_filters: bool = True
    uses_of_tokens: int = 1_000_000
    asked: dict[str, list[dict[str, str]]] = field(default_factory=dict[str, list[dict[str, str]]])
    numbers: Counter[str] = field(default_factory=Counter[str])
    tokens: dict[str, int] = field(default_factory=dict[str, int])
    link_base: str = ""

    def settings(self, **changed: str) -> dict[str, str]:
        """The settings of this service."""
        return {
            "roster_sync_url": self.url,
            "roster_sync_token_url": self.token_url,
            "roster_sync_client_id": CLIENT_ID,
            "roster_sync_client_secret": CLIENT_SECRET,
        } | changed

    def find(self, collection: str, source_id: str) -> Json:
        """The object with this sourcedId, to be changed."""
        return next(each for each in self.objects[collection] if each["sourcedId"] == source_id)

    def change(self, collection: str, source_id: str, at: str, **fields: Any) -> None:
        """Changes an object, as of a time."""
        self.find(collection, source_id).update({"dateLastModified": at, **fields})

    def add(self, collection: str, at: str, like: str, **fields: Any) -> None:
        """Adds an object that is like another one, but for these fields."""
        self.objects[collection].append({**self.find(collection, like), "dateLastModified": at, **fields})

    def drop(self, collection: str, source_id: str) -> None:
        self.objects[collection].remove(self.find(collection, source_id))

    def reply(self, request: Request) -> Reply:
        parts = urlsplit(request.target)
        answer = self.answer(parts.path, dict(parse_qsl(parts.query)), request.headers, request.body.decode())
        return Reply(answer.status, answer.content or b"", answer.headers, answer.cut)

    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str], body: str) -> Fault:
        name = "token" if path == "/token" else path.removeprefix(f"{PATH}/")
        self.numbers[name] += 1
        self.before(name, self.numbers[name])
        self.asked.setdefault(name, []).append(query)
        fault = self.faults.get((name, self.numbers[name])) or self.faults.get((name, 0))
        if fault is not None and not fault.cut:
            return fault
        right = self._token(dict(parse_qsl(body)), headers) if name == "token" else self._page(name, query, headers)
        right.cut = fault is not None
        return right

    def _token(self, form: Mapping[str, str], headers: Mapping[str, str]) -> Fault:
        pair = f"{quote(CLIENT_ID, safe='')}:{quote(CLIENT_SECRET, safe='')}"
        if headers.get("Authorization") != f"Basic {base64.b64encode(pair.encode()).decode()}":
            return _json(401, {"error": "invalid_client"})
        if form.get("grant_type") != "client_credentials":
            return _json(400, {"error": "unsupported_grant_type"})
        if form.get("scope") != SCOPE:
            return _json(400, {"error": "invalid_scope"})
        token = f"token-{len(self.tokens) + 1}"
        self.tokens[token] = self.uses_of_tokens
        return _json(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    def _page(self, name: str, query: dict[str, str], headers: Mapping[str, str]) -> Fault:
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) <= 0:
            return _json(401, {"imsx_codeMajor": "failure"})
        self.tokens[token] -= 1
        if name not in self.objects:
            return _json(404, {"imsx_codeMajor": "failure"})
        found = sorted(self.objects[name], key=lambda each: str(each.get("sourcedId")))
        if "filter" in query and self.has_filters:
            since = _FILTER.fullmatch(query["filter"])
            if since is None:
                codes = [{"imsx_codeMinorFieldName": "filter", "imsx_codeMinorFieldValue": "invalid_filter_field"}]
                return _json(400, {"imsx_CodeMinor": {"imsx_codeMinorField": codes}})
            found = [each for each in found if each["dateLastModified"] >= since[1]]
        limit = min(int(query.get("limit", "100")), self.max_limit)
        start = int(query.get("cursor", query.get("offset", "0")))
        return self._paged(name, query, found[start : start + limit], start + limit, len(found))

    def _paged(self, name: str, query: dict[str, str], page: Sequence[Json], end: int, total: int) -> Fault:
        answer = _json(200, {name: page})
        if self.has_total:
            answer.headers["X-Total-Count"] = str(total)
        if self.has_links:
            base = f"{self.link_base or self.url}/{name}"
            links = [f'<{base}?{urlencode(query)}>; rel="first"']
            if end < total:
                place = {"cursor": str(end)} if self.has_cursors else {**query, "offset": str(end)}
                links.append(f'<{base}?{urlencode(place)}>; rel="next"; title="a, b"')
            answer.headers["Link"] = ", ".join(links)
        return answer


def _json(status: int, content: Json) -> Fault:
    return Fault(status, {"Content-Type": "application/json"}, json.dumps(content).encode())


def objects_of(tables: Mapping[str, Sequence[Mapping[str, str]]]) -> dict[str, list[Json]]:
    """The objects of OneRoster 1.1 or 1.2 files, given as rows."""
    roles: dict[str, list[Json]] = {}
    for row in tables.get("roles", ()):
        of_user = {"roleType": row["roleType"], "role": row["role"], "org": _reference(row["orgSourcedId"], "org")}
        roles.setdefault(row["userSourcedId"], []).append(of_user)
    return {name: [_object(name, row, roles) for row in tables.get(name, ())] for name in COLLECTIONS}


def objects_in(folder: Path) -> dict[str, list[Json]]:
    """The objects of the files of a folder."""
    tables: dict[str, list[dict[str, str]]] = {}
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            tables[path.stem] = list(csv.DictReader(file))
    return objects_of(tables)


def _object(name: str, row: Mapping[str, str], roles: Mapping[str, list[Json]]) -> Json:
    lists = {"grades": _listed(row.get("grades")), "periods": _listed(row.get("periods"))}
    references = {
        "orgs": {"parent": ("parentSourcedId", "org")},
        "academicSessions": {"parent": ("parentSourcedId", "academicSession")},
        "classes": {"school": ("schoolSourcedId", "org"), "course": ("courseSourcedId", "course")},
        "users": {"primaryOrg": ("primaryOrgSourcedId", "org")},
        "enrollments": {
            "user": ("userSourcedId", "user"),
            "class": ("classSourcedId", "class"),
            "school": ("schoolSourcedId", "org"),
        },
    }[name]
    plain = {key: value for key, value in row.items() if "SourcedId" not in key and key not in lists and value}
    found: Json = {"dateLastModified": FIRST, "status": "active", **plain}
    found |= {key: _reference(row[column], kind) for key, (column, kind) in references.items() if row.get(column)}
    found |= {key: value for key, value in lists.items() if value}
    if name == "classes":
        found["terms"] = [_reference(term, "academicSession") for term in _listed(row.get("termSourcedIds"))]
    if name == "users":
        own = [(row.get("role"), org, at) for at, org in enumerate(_listed(row.get("orgSourcedIds")))]
        found.pop("role", None)
        found["roles"] = roles.get(row["sourcedId"]) or [
            {"roleType": "secondary" if at else "primary", "role": role, "org": _reference(org, "org")}
            for role, org, at in own
        ]
        found["agents"] = [_reference(agent, "user") for agent in _listed(row.get("agentSourcedIds"))]
    return found


def _listed(cell: str | None) -> list[str]:
    return [item.strip() for item in (cell or "").split(",") if item.strip()]


def _reference(source_id: str, kind: str) -> Json:
    return {"href": f"https://sis.example/{kind}s/{source_id}", "sourcedId": source_id, "type": kind}


@contextmanager
def roster_service(objects: dict[str, list[Json]]) -> Generator[RosterService]:
    """Runs the service on a free port until the end of the block."""
    service = RosterService(objects)
    with answering(service.reply) as address:
        service.url, service.token_url = f"{address}{PATH}", f"{address}/token"
        yield service
