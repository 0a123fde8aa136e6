"""From POST to `isCompleted: true`, for a class of 30 and for 1,200 students; memory, and the cost of idling."""

from __future__ import annotations

import argparse
import contextlib
import csv
import http.client
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.servers.postgres import temporary_postgres  # noqa: E402 - after the path to it

FIRST_DAY = date(2024, 9, 2)
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--classes", type=int, default=200, help="classes of 30 that are marked, one after another")
    parser.add_argument("--idle-seconds", type=float, default=20)
    options = parser.parse_args()
    with running_adsum(options.database) as api:
        big = import_school(api, students=1200)
        small = import_school(api, students=30)
        mark(api, small, 5, first=FIRST_DAY + timedelta(days=400))  # warm
        latencies = mark(api, small, options.classes, first=FIRST_DAY)
        large = mark(api, big, 5, first=FIRST_DAY)
        memory = {name: resident(pid) for name, pid in api.processes.items()}
        idle = idle_share(api.processes.values(), options.idle_seconds)
    report(options.database, latencies, large, memory, idle)


@dataclass
class Api:
    """A running system, and the environment in which its commands find it."""

    port: int
    environment: dict[str, str]
    folder: Path
    token: str = ""
    processes: dict[str, int] | None = None


@contextlib.contextmanager
def running_adsum(database: str) -> Generator[Any]:
    """`adsum up` in a folder of its own."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adsum-bench-")))
        environment = os.environ | {"ADSUM_DATA_DIR": str(folder / "data"), "ADSUM_LOG_LEVEL": "WARNING"}
        if database == "postgres":
            server = stack.enter_context(temporary_postgres(durable=True))
            environment["ADSUM_DATABASE_URL"] = server.url("postgres")
        port = free_port()
        command = [sys.executable, "-m", "adsum", "up", "--port", str(port), "--no-open", "--no-demo"]
        up = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            wait_until_ready(port)
            api = Api(port, environment, folder)
            adsum(api, "user", "add", "bench@adsum.example", "--role", "admin")
            api.token = adsum(api, "token", "create", "bench@adsum.example").strip()
            api.processes = children(up.pid)
            yield api
        finally:
            up.terminate()
            up.wait(60)


def import_school(api: Api, students: int) -> tuple[int, int]:
    """A school of one class; returns the ids of the class and its session."""
    school = f"bench-{students}"
    folder = api.folder / school
    folder.mkdir()
    people = [{"sourcedId": f"{school}-{i}", "orgSourcedIds": school, "role": "student"} for i in range(students)]
    files: dict[str, list[dict[str, str]]] = {
        "orgs": [{"sourcedId": school, "name": school, "type": "school"}],
        "users": [person | {"givenName": "A", "familyName": "B"} for person in people],
        "classes": [{"sourcedId": school, "title": school, "schoolSourcedId": school}],
        "enrollments": [
            {"sourcedId": f"e-{p['sourcedId']}", "classSourcedId": school, "userSourcedId": p["sourcedId"]}
            | {"schoolSourcedId": school, "role": "student"}
            for p in people
        ],
    }
    for name, rows in files.items():
        complete = [{"status": "active", "dateLastModified": "2024-08-01"} | row for row in rows]
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(complete[0]))
            writer.writeheader()
            writer.writerows(complete)
    adsum(api, "roster", "import", str(folder), "--allow-removals")
    connection = http.client.HTTPConnection("127.0.0.1", api.port)
    (class_,) = get(connection, api, f"/classes?sourcedId={school}")["items"]
    (session,) = get(connection, api, f"/sessions?classId={class_['id']}")["items"]
    return class_["id"], session["id"]


def mark(api: Api, where: tuple[int, int], times: int, first: date) -> list[float]:
    """Seconds from each POST to the first answer that says completed; one batch at a time, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port)
    taken: list[float] = []
    for day in (first + timedelta(days=i) for i in range(times)):
        body = {"classId": where[0], "sessionId": where[1], "learningDate": day.isoformat(), "isSelectedAll": True}
        begin = time.perf_counter()
        answer = post(connection, api, "/attendances/create-batch", body)
        while not get(connection, api, answer["statusUrl"])["isCompleted"]:
            time.sleep(0.0005)
        taken.append(time.perf_counter() - begin)
    return taken


def post(connection: http.client.HTTPConnection, api: Api, path: str, body: Any) -> Any:
    return ask(connection, "POST", path, api, json.dumps(body))


def get(connection: http.client.HTTPConnection, api: Api, path: str) -> Any:
    return ask(connection, "GET", path, api, None)


def ask(connection: http.client.HTTPConnection, method: str, path: str, api: Api, body: str | None) -> Any:
    headers = {"Authorization": f"Bearer {api.token}", "Content-Type": "application/json"}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    content = response.read()
    if response.status >= 300:
        raise RuntimeError(f"{method} {path}: {response.status} {content[:500]!r}")
    return json.loads(content)


def adsum(api: Api, *arguments: str) -> str:
    command = [sys.executable, "-m", "adsum", *arguments]
    done = subprocess.run(command, env=api.environment, cwd=api.folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"adsum {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError("adsum up was not ready within 60 s")


def children(parent: int) -> dict[str, int]:
    """The processes of `up`, by what they are."""
    names = {"serve": "api", "worker": "worker", "valkey-server": "valkey"}
    found = {"up": parent}
    for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if f"\nPPid:\t{parent}\n" in Path(f"/proc/{pid}/status").read_text():
                found |= {name: pid for word, name in names.items() if any(word in each for each in words)}
    return found


def resident(pid: int) -> float:
    """MB in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def idle_share(pids: Any, seconds: float) -> float:
    """Percent of one core that all of it takes while nobody asks for anything."""
    time.sleep(2)
    before = sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    return (sum(map(cpu_seconds, pids)) - before) / seconds * 100


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def report(database: str, small: list[float], large: list[float], memory: dict[str, float], idle: float) -> None:
    durable = "synchronous=FULL" if database == "sqlite" else "fsync=on, synchronous_commit=on"
    print(f"{database} ({durable}), {os.cpu_count()} cores, Python {platform.python_version()}")
    for line in lines(small, large, memory, idle):
        print(f"  {line}")


def lines(small: list[float], large: list[float], memory: dict[str, float], idle: float) -> Iterator[str]:
    cuts = quantiles(small, n=100)
    yield f"class of 30, POST to completed, {len(small)} times: p50 {cuts[49] * 1e3:.1f}, p95 {cuts[94] * 1e3:.1f} ms"
    yield f"1,200 students, {len(large)} times: median {sorted(large)[len(large) // 2]:.2f} s, worst {max(large):.2f} s"
    yield "resident: " + ", ".join(f"{name} {size:.0f} MB" for name, size in memory.items())
    yield f"idle, all processes together: {idle:.1f} % of one core"


if __name__ == "__main__":
    main()
