"""`docs/performance.md`: the figures of one run, with what was durable, what was checked, and where it ran."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Figures
from benchmarks.measures import CHECKED, DURABLE
from benchmarks.servers import ROOT
from benchmarks.table import HEADINGS, Block, blocks

PAGE = ROOT / "docs" / "performance.md"
# Written by hand: where the time goes, what was tried. It is put behind the figures.
EXPLAINED = ROOT / "benchmarks" / "explained.md"
PREFACE = """# Performance: Adsum beside what others would run instead

Written by `./adsum bench --report`. All systems ran on one machine, in turn, in one run of {rounds}; each figure
is the median of its rounds. Only ratios mean something elsewhere: *Adsum by this* is Adsum's figure divided by the
peer's, of the same round (median). Each peer does the same work: a class of 30 is 30 rows in Postgres, `ON CONFLICT DO
NOTHING`, a counter in Redis, and a completion marker; see `benchmarks/peers`.

- **Durable.** {durable}
- **Checked.** {checked}
- **Machine.** {machine}.
- **Versions.** {versions}. {when}.
"""


def write(figures: Figures, *, rounds: int, machine: str, versions: str, when: str, missing: Sequence[str]) -> None:
    told = f"{rounds} rounds" if rounds > 1 else "1 round"
    text = PREFACE.format(rounds=told, durable=DURABLE, checked=CHECKED, machine=machine, versions=versions, when=when)
    text += "".join(f"- **Not measured.** {why}.\n" for why in missing)
    tables = "".join(map(_markdown, blocks(figures)))
    PAGE.write_text(text + tables + EXPLAINED.read_text(encoding="utf-8"), encoding="utf-8")


def _markdown(block: Block) -> str:
    rows = [HEADINGS, ("---", "---:", "---:", "---"), *block.lines]
    return f"\n## {block.title}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)
