"""`./adsum docs`: builds the documentation as a site. `./adsum docs serve` builds it and shows it on this machine."""

from __future__ import annotations

import argparse
import functools
import http.server
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.site.building import ROOT, SiteError, build


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="adsum docs", description=__doc__)
    parser.add_argument("action", nargs="?", choices=("build", "serve"), default="build")
    parser.add_argument("--output", type=Path, default=ROOT / "site", help="the folder, which is replaced: %(default)s")
    parser.add_argument("--port", type=int, default=8001, help="of `serve`: %(default)s")
    options = parser.parse_args(arguments)
    try:
        pages = build(options.output)
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{pages} pages in {options.output}")
    if options.action == "serve":
        serve(options.output, options.port)
    return 0


def serve(folder: Path, port: int) -> None:
    """Serves a folder on this machine until Ctrl-C."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/index.html (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
