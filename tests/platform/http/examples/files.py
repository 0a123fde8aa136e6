"""The files of examples, one for each feature, which `python -m tests.platform.http.examples` writes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fastapi.routing import APIRoute

from adsum.app import FEATURES, ROUTERS
from tests.platform.http.examples.recording import Examples
from tests.support.live import ROOT

COMMAND: Final = "python -m tests.platform.http.examples"
EVENTS: Final = "events"
FEATURE_OF: Final[Mapping[str, str]] = {
    route.name: route.endpoint.__module__.split(".")[1]
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
}


def files_of(operations: Examples, events: Examples) -> dict[Path, str]:
    """The text of each file. That of events has the example of each type, too."""
    content: dict[str, dict[str, Any]] = {feature: {} for feature in FEATURES}
    by_feature = defaultdict[str, Examples](dict)
    for name, example in operations.items():
        by_feature[FEATURE_OF[name]][name] = example
    for feature, examples in by_feature.items():
        content[feature]["operations"] = examples
    content[EVENTS]["schemas"] = events
    return {path_of(feature): _json(each) for feature, each in content.items()}


def path_of(feature: str) -> Path:
    return ROOT / "src" / "adsum" / feature / "examples.json"


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=False) + "\n"
