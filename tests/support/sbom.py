"""`./adsum sbom`: writes the bill of materials, in CycloneDX, from the pinned requirements and the files of others.

The same tree gives the same bytes: it contains neither a time nor a serial number.
"""

# The decorators of cyclonedx's models hide the types of their constructors.
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from adsum import __version__

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements" / "runtime.txt"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>.*?))?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PARENT = re.compile(r"^\s+#\s+(?:via\s+)?([A-Za-z0-9._-]+)")
_CLASSIFIERS = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "BSD License": "BSD License",  # the classifier does not say which
}
# Of packages that do not say it in their metadata, or are not installed on every platform.
_KNOWN = {"async-timeout": "Apache-2.0", "colorama": "BSD-3-Clause", "pyrage": "MIT"}


@dataclass(frozen=True, slots=True)
class Pin:
    """A package with its version, the environment that needs it, its hashes, and the packages that need it."""

    name: str
    version: str
    marker: str | None
    hashes: tuple[str, ...]
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vendored:
    """A file of somebody else that is part of the package. `NOTICE` names each."""

    name: str
    version: str
    path: str
    licence: str
    origin: str
    kind: ComponentType


VENDORED = (
    Vendored(
        "htmx",
        "4.0.1",
        "src/adsum/platform/pages/static/htmx.min.js",
        "0BSD",
        "https://htmx.org",
        ComponentType.LIBRARY,
    ),
    Vendored(
        "django-common-passwords",
        "5.2",
        "src/adsum/accounts/passwords/common_passwords.txt",
        "BSD-3-Clause",
        "https://www.djangoproject.com",
        ComponentType.DATA,
    ),
    *(
        Vendored(
            f"o365-edu-tools-sample-{path.stem}",
            "2017",
            str(path.relative_to(ROOT)),
            "MIT",
            "https://github.com/OfficeDev/O365-EDU-Tools",
            ComponentType.DATA,
        )
        for path in sorted((ROOT / "src/adsum/roster/demo/data/oneroster").glob("*.csv"))
    ),
)


def pins(text: str) -> Iterator[Pin]:
    """The packages of a file of requirements that `uv pip compile` wrote."""
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        lines = block.splitlines()
        found = _PIN.match(lines[0]) if lines else None
        if found is not None:
            parents = tuple(each[1] for line in lines if (each := _PARENT.match(line)) and each[1] != "via")
            yield Pin(found["name"], found["version"], found["marker"], tuple(sorted(_HASH.findall(block))), parents)


def bill_of_materials() -> Bom:
    """All packages at run time, whatever the platform, and all vendored files."""
    root = Component(
        name="adsum",
        version=__version__,
        type=ComponentType.APPLICATION,
        bom_ref="adsum",
        licenses=_licence("Apache-2.0"),
    )
    pinned = list(pins(REQUIREMENTS.read_text(encoding="utf-8")))
    packages = {pin: _package(pin) for pin in pinned}
    files = [_file(each) for each in VENDORED]
    # A name has several versions if platforms differ.
    named = [("adsum", root), *((pin.name, component) for pin, component in packages.items())]
    needs: dict[str, list[Component]] = {name: [] for name, _ in named}
    for pin, component in packages.items():
        for parent in pin.parents:
            needs[parent].append(component)
    needs["adsum"].extend(files)
    return Bom(
        metadata=BomMetaData(component=root),
        components=[*packages.values(), *files],
        dependencies=[
            Dependency(component.bom_ref, [Dependency(each.bom_ref) for each in needs[name]])
            for name, component in named
        ],
    )


def to_json(bom: Bom) -> str:
    """CycloneDX 1.6, without the time and the serial number that the library adds."""
    fields: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    del fields["serialNumber"], fields["metadata"]["timestamp"]
    return json.dumps(fields, indent=2, sort_keys=True) + "\n"


def _package(pin: Pin) -> Component:
    url = XsUri(f"https://pypi.org/project/{pin.name}/{pin.version}/")
    purl = PackageURL("pypi", None, pin.name, pin.version)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=each) for each in pin.hashes]
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        scope=ComponentScope.REQUIRED if pin.marker is None else ComponentScope.OPTIONAL,
        licenses=_licence(_licence_of(pin)),
        external_references=[ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=url, hashes=hashes)],
        properties=[] if pin.marker is None else [Property(name="adsum:environment", value=pin.marker)],
    )


def _file(vendored: Vendored) -> Component:
    digest = hashlib.sha256((ROOT / vendored.path).read_bytes()).hexdigest()
    return Component(
        name=vendored.name,
        version=vendored.version,
        type=vendored.kind,
        bom_ref=vendored.path,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        licenses=_licence(vendored.licence),
        external_references=[ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(vendored.origin))],
        properties=[Property(name="adsum:path", value=vendored.path)],
    )


def _licence(text: str | None) -> list[License]:
    return [] if text is None else [LicenseFactory().make_from_string(text)]


def _licence_of(pin: Pin) -> str | None:
    """The licence in the metadata of an installed package: an expression, a short name, or a classifier."""
    if pin.name in _KNOWN:
        return _KNOWN[pin.name]
    try:
        metadata = importlib.metadata.metadata(pin.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = [each.split(" :: ")[-1] for each in metadata.get_all("Classifier", []) if "License ::" in each]
    known = sorted({_CLASSIFIERS[each] for each in classifiers if each in _CLASSIFIERS})
    named = str(metadata.get("License", ""))
    if known and (known != ["BSD License"] or not named.startswith("BSD-")):
        return " AND ".join(known)
    return named or None


def main() -> int:
    """Writes the file that is named, or stdout."""
    parser = argparse.ArgumentParser(prog="adsum sbom", description="Writes the bill of materials in CycloneDX JSON.")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="instead of stdout")
    output: Path | None = parser.parse_args().output
    text = to_json(bill_of_materials())
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
