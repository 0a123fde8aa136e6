"""The dashboard of Grafana and the alerts of Prometheus read metrics that exist, with labels that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from adsum.app import ROUTERS
from adsum.events.health import WebhookState
from adsum.wiring import Adsum
from tests.support.api import Api
from tests.support.installation import RunWorker, ended

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "adsum.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
# Of targets, which Prometheus adds.
ADDED_LABELS = {"instance", "job"}
FUNCTIONS = {"absent", "count", "histogram_quantile", "increase", "max", "rate", "sum", "topk", "vector"}
KEYWORDS = {"and", "or", "unless", "by", "without", "on"}
SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
GROUPING = re.compile(r"\bby \(([^)]*)\)")


def alerts() -> list[dict[str, Any]]:
    document: Any = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    board: Any = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    of_panels = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*of_panels, *(rule["expr"] for rule in alerts())]


def metrics_in(expression: str) -> set[str]:
    """The names that are not functions, keywords, labels, texts, durations or variables."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]|\{[^}]*\}', " ", GROUPING.sub(" ", expression))
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare)) - FUNCTIONS - KEYWORDS


def labels_in(expression: str) -> Iterator[tuple[str, str]]:
    """Each label, with its metric."""
    names = metrics_in(expression)
    for metric, matchers in SELECTOR.findall(expression):
        yield from ((metric, matcher.split("=")[0].rstrip("!").strip()) for matcher in matchers.split(","))
    for grouping in GROUPING.findall(expression):
        yield from ((metric, label.strip()) for label in grouping.split(",") for metric in names)


async def exported(adsum: Adsum, api: Api, worker: RunWorker) -> dict[str, set[str]]:
    """The labels of each series of a system that has worked."""
    batch_id = (await api.create()).json()["batchId"]
    async with worker():
        await ended(adsum, batch_id)
    adsum.metrics.count_request("POST", "/attendances/create-batch", 202, 0.1)
    adsum.metrics.count_rate_limited("key")
    adsum.metrics.count_read("standby")
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families((await adsum.scrape.exposition()).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


async def test_each_metric_and_label_exists(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    series = await exported(adsum, api, worker)
    used = expressions()
    assert {name for each in used for name in metrics_in(each)} - series.keys() == set()
    pairs = {pair for each in used for pair in labels_in(each)}
    unknown = {(metric, label) for metric, label in pairs if label not in series[metric] | ADDED_LABELS}
    assert unknown == set()


async def test_each_metric_of_adsum_is_on_the_dashboard(adsum: Adsum) -> None:
    text = DASHBOARD.read_text(encoding="utf-8")
    names = {family.name for family in adsum.metrics.registry.collect() if family.name.startswith("adsum_")}
    assert {name for name in names if name not in text} == set()


def test_values_of_labels_exist() -> None:
    text = " ".join(expressions())
    paths = {getattr(route, "path", "") for router in ROUTERS for route in router.routes}
    assert set(re.findall(r'route="([^"]*)"', text)) <= paths
    states = {state for found in re.findall(r'state=~"([^"]*)"', text) for state in found.split("|")}
    assert states <= set(WebhookState)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_each_alert_leads_to_a_section_of_the_documentation(rule: dict[str, Any]) -> None:
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_the_names_of_metrics_are_found_in_an_expression() -> None:
    expression = 'topk(10, sum by (le, route) (rate(a_bucket{route="b"}[$__rate_interval])) / 2) > vector(0) or c != c'
    assert metrics_in(expression) == {"a_bucket", "c"}
    assert set(labels_in(expression)) == {("a_bucket", "route"), ("a_bucket", "le"), ("c", "le"), ("c", "route")}
