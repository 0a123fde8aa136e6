"""The list of tests that are not measured."""

from __future__ import annotations

import re
from collections import defaultdict

from tests.support.unmeasured import COMMAND, RECORD, ROOT, listed_in, superfluous

DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def test_every_test_of_the_list_exists() -> None:
    names: defaultdict[str, set[str]] = defaultdict(set)
    for test in listed_in(RECORD):
        file, _, name = test.partition("::")
        names[file].add(name)
    gone = {
        f"{file}::{name}"
        for file, wanted in names.items()
        for name in wanted
        - {*re.findall(r"^(?:async )?def (test_\w+)", (ROOT / file).read_text("utf-8"), re.MULTILINE)}
    }
    assert gone == set(), f"record the list again with `{COMMAND}`"


def test_the_longest_tests_are_left_out_while_the_others_run_as_much() -> None:
    a, b, c = (1, 1, 2), (1, 2, 3), (2, 1, 2)
    arcs = {"long": {a, b}, "short": {a, b}, "shorter": {a, b}, "other": {b, c}, "alone": {c, (3, 1, 2)}, "quick": {a}}
    seconds = {"long": 3.0, "short": 2.0, "shorter": 1.5, "other": 1.0, "alone": 9.0, "quick": 0.01}
    assert superfluous(arcs, seconds) == ["long", "short"]
