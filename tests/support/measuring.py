"""Coverage of the modules that decide: which lines of them run, and which branches are taken.

`coverage` reports what the probes of `tests/support/probes.py` record. Its own tracer would slow down all code of all
libraries.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from coverage import Coverage, CoverageData
from coverage.files import GlobMatcher, prep_patterns
from typing_extensions import override

import adsum
from tests.support.probes import ARCS, Arc, compile_with_probes

NOT_MEASURED = ("adsum.operations.migrations", "adsum.__main__")

Measured = dict[str, dict[Arc, None]]
"""The arcs that have run, by the path of the module."""


class Measurement:
    """The measurement of this process and of those that are forked. Each process writes a file of its own. Without
    `begin` nothing is measured.
    """

    def __init__(self) -> None:
        self._measured: Measured | None = None

    def begin(self) -> None:
        """Removes earlier results, and imports every module, so that its definitions are measured, which no test does.

        Call it before anything else imports them.
        """
        report = Coverage()
        report.erase()
        self._file, self._measured = report.config.data_file, {}
        omitted = report.get_option("run:omit")
        assert isinstance(omitted, list)
        sys.meta_path.insert(0, _Finder(self._measured, omitted))
        _import_every_module()

    def save(self) -> None:
        """Writes what this process has measured."""
        if self._measured is not None:
            data = CoverageData(self._file, suffix=True)
            data.add_arcs(self._measured)
            data.write()

    def combine(self) -> None:
        """Combines the files of all processes."""
        if self._measured is not None:
            Coverage().combine()


class _Finder(MetaPathFinder):
    """Finds measured modules as usual, and lets them be loaded with probes."""

    def __init__(self, measured: Measured, omitted: Sequence[str]) -> None:
        self._measured = measured
        self._omitted = GlobMatcher(prep_patterns(omitted))

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{adsum.__name__}."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None and not self._omitted.match(spec.origin):
            spec.loader = _Loader(fullname, spec.origin, self._measured.setdefault(spec.origin, {}))
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, arcs: dict[Arc, None]) -> None:
        super().__init__(name, path)
        self._arcs = arcs

    @override
    def get_code(self, fullname: str) -> CodeType:
        return compile_with_probes(Path(self.path).read_bytes(), self.path)  # never from cached bytecode, nor into it

    @override
    def exec_module(self, module: ModuleType) -> None:
        setattr(module, ARCS, self._arcs)
        super().exec_module(module)


def _import_every_module() -> None:
    for module in pkgutil.walk_packages(adsum.__path__, "adsum."):
        if not module.name.startswith(NOT_MEASURED):
            import_module(module.name)
