"""The files for containers: valid by the schemas of Kubernetes, and as the code has settings, ports and paths.

No container engine is needed. docs/how-to/run-in-containers.md says what was run and what was not.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]
import pytest
import yaml

from adsum.main import SINGLE
from adsum.platform.redis.queues import bullmq_prefix
from adsum.platform.redis.workers import WorkerOptions
from adsum.platform.settings import SECRETS, Settings
from adsum.processes.serve import DRAIN_S

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "deploy" / "kubernetes" / "base"
EXAMPLE = ROOT / "deploy" / "kubernetes" / "example"
# The oldest version that the manifests are for, and the newest whose schemas are here.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
# Kinds of others, which the schemas of Kubernetes do not have.
FOREIGN = ("ScaledObject", "Kustomization")
UNSET = "set it in .env"

Manifest = dict[str, Any]


@cache
def manifests() -> list[Manifest]:
    """Every document of the folders."""
    return [each for path in sorted(BASE.parent.rglob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]


def of_kind(*kinds: str) -> list[Manifest]:
    return [each for each in manifests() if each["kind"] in kinds]


def named(kind: str, name: str) -> Manifest:
    return next(each for each in of_kind(kind) if each["metadata"]["name"] == name)


def pods() -> Iterator[tuple[str, Manifest]]:
    """The name and the specification of the pod of each workload."""
    for each in of_kind("Deployment", "Job"):
        yield each["metadata"]["name"], each["spec"]["template"]["spec"]


def container(name: str) -> Manifest:
    (found,) = dict(pods())[name]["containers"]
    return found


@cache
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


def of_image() -> dict[str, str]:
    """The environment of the image."""
    (line,) = re.findall(r"^ENV (.+)$", dockerfile(), re.MULTILINE)
    return dict(part.split("=", 1) for part in shlex.split(line))


@cache
def compose() -> Manifest:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def environments() -> dict[str, dict[str, str]]:
    """The settings of each role, as its process sees them."""
    shared = named("ConfigMap", "adsum")["data"]
    found = {
        name: of_image() | shared | {each["name"]: each["value"] for each in container(name).get("env", [])}
        for name, _ in pods()
    }
    for name in ("api", "worker", "migrate"):
        given = {key: str(value) for key, value in compose()["services"][name]["environment"].items()}
        found[f"compose: {name}"] = of_image() | {key: _filled(value) for key, value in given.items()}
    return found


def _filled(value: str) -> str:
    """A value as compose sets it, with a long secret."""
    filled = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
    return re.sub(r"\$\{\w+:\?" + UNSET + r"\}", "x" * 64, filled)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid_by_the_schemas_of_kubernetes(version: str) -> None:
    checked = [each for each in manifests() if each["kind"] not in FOREIGN]
    assert len(checked) >= 10
    for each in checked:
        kubernetes_validate.validate(each, version, strict=True)


def test_the_schemas_refuse_a_field_that_kubernetes_does_not_have() -> None:
    wrong = named("Service", "adsum")
    wrong = wrong | {"spec": wrong["spec"] | {"selectors": {}}}
    with pytest.raises(kubernetes_validate.ValidationError, match="selectors"):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_kustomize_finds_every_file_and_no_file_is_left_out() -> None:
    for folder in (BASE, EXAMPLE):
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        own = [name for name in listed if not name.startswith("..")]
        assert {folder / name for name in own} == {*folder.glob("*.yaml")} - {folder / "kustomization.yaml"}
        assert all((folder / name).is_dir() for name in listed if name.startswith(".."))


@pytest.mark.parametrize("role", sorted(environments()))
def test_every_variable_is_a_setting_with_a_valid_value(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: value for name, value in environments()[role].items() if name.startswith("ADSUM_")}
    values = {name: value for name, value in given.items() if not name.endswith("_FILE")}
    files = given.keys() - values.keys()
    assert {name.removeprefix("ADSUM_").removesuffix("_FILE").lower() for name in given} <= Settings.model_fields.keys()
    assert {name.removeprefix("ADSUM_").removesuffix("_FILE").lower() for name in files} <= SECRETS
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.host == "0.0.0.0"
    assert settings.log_format == "json"


def test_every_secret_is_a_file_of_the_secret_that_the_example_makes() -> None:
    folder = "/run/secrets/adsum/"
    files = {
        value.removeprefix(folder) for name, value in named("ConfigMap", "adsum")["data"].items() if "_FILE" in name
    }
    (generated,) = yaml.safe_load((EXAMPLE / "kustomization.yaml").read_text())["secretGenerator"]
    assert set(generated["files"]) == files
    for name, pod in pods():
        (mount,) = (each for each in container(name)["volumeMounts"] if each["name"] == "secrets")
        (volume,) = (each for each in pod["volumes"] if each["name"] == "secrets")
        assert (mount["mountPath"] + "/", volume["secret"]["secretName"]) == (folder, generated["name"])


def test_every_probe_asks_a_path_and_a_port_that_the_process_serves() -> None:
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    ports = {
        "adsum-api": int(of_image()["ADSUM_PORT"]),
        "adsum-worker": int(environments()["adsum-worker"]["ADSUM_WORKER_METRICS_PORT"]),
    }
    for name, port in ports.items():
        (served,) = container(name)["ports"]
        assert served["containerPort"] == port
        probes = {key: value for key, value in container(name).items() if key.endswith("Probe")}
        assert {"startupProbe", "livenessProbe"} <= probes.keys()
        for probe in probes.values():
            assert probe["httpGet"]["port"] == served["name"]
            assert probe["httpGet"]["path"] in paths
        allowed = named("NetworkPolicy", name)["spec"]["ingress"][0]["ports"]
        assert allowed == [{"protocol": "TCP", "port": port}]
    assert named("Service", "adsum")["spec"]["ports"][0]["targetPort"] == container("adsum-api")["ports"][0]["name"]
    assert re.findall(r"127\.0\.0\.1:(\d+)(/\w+)", dockerfile()) == [(str(ports["adsum-api"]), "/readyz")]
    assert f"EXPOSE {ports['adsum-api']}" in dockerfile()
    checked = compose()["services"]["worker"]
    assert (
        f"127.0.0.1:{checked['environment']['ADSUM_WORKER_METRICS_PORT']}/metrics" in checked["healthcheck"]["test"][-1]
    )


def test_liveness_contacts_no_other_server() -> None:
    """Otherwise an outage of the database would restart every process."""
    assert container("adsum-api")["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container("adsum-api")["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_every_process_has_the_time_that_it_needs_to_stop() -> None:
    of_worker = WorkerOptions(redis_url="", queue_name="", key_prefix="", concurrency=1).drain_timeout
    api, worker = dict(pods())["adsum-api"], dict(pods())["adsum-worker"]
    pause = container("adsum-api")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert api["terminationGracePeriodSeconds"] > DRAIN_S + pause
    assert worker["terminationGracePeriodSeconds"] > of_worker
    services = compose()["services"]
    assert int(services["api"]["stop_grace_period"].removesuffix("s")) > DRAIN_S
    assert int(services["worker"]["stop_grace_period"].removesuffix("s")) > of_worker


def test_every_pod_and_every_service_is_unprivileged_with_a_read_only_file_system() -> None:
    (user,) = re.findall(r"^USER (\d+):\1$", dockerfile(), re.MULTILINE)
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == int(user)
        assert pod["automountServiceAccountToken"] is False
        assert container(name)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"name": "tmp", "mountPath": "/tmp"} in container(name)["volumeMounts"]
    for name in ("api", "worker", "migrate"):
        service = compose()["services"][name]
        assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])


def test_every_role_is_a_command_of_the_one_image() -> None:
    # The upgrade refuses to migrate beside processes of a release that could not go on.
    assert {container(name)["args"][0] for name, _ in pods()} == {"serve", "worker", "upgrade"} <= SINGLE.keys()
    assert compose()["services"]["migrate"]["command"] == ["upgrade"]
    assert {container(name)["image"] for name, _ in pods()} == {"adsum"}
    (image,) = yaml.safe_load((EXAMPLE / "kustomization.yaml").read_text())["images"]
    assert image["name"] == "adsum"
    assert json.loads(re.findall(r"^CMD (.+)$", dockerfile(), re.MULTILINE)[-1]) == ["serve"]
    assert json.loads(re.findall(r"^ENTRYPOINT (.+)$", dockerfile(), re.MULTILINE)[-1]) == ["python", "-m", "adsum"]


def test_workers_are_scaled_by_the_list_in_which_bullmq_keeps_waiting_messages() -> None:
    (scaled,) = of_kind("ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    settings = Settings()
    assert trigger["type"] == "redis"
    assert trigger["metadata"]["listName"] == f"{bullmq_prefix(settings.key_prefix)}:{settings.queue_name}:wait"
    assert scaled["spec"]["scaleTargetRef"] == {"name": "adsum-worker"}
    (autoscaler,) = of_kind("HorizontalPodAutoscaler")
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == "adsum-api"
    assert min(scaled["spec"]["minReplicaCount"], autoscaler["spec"]["minReplicas"]) >= 2
    assert all("replicas" not in each["spec"] for each in of_kind("Deployment"))


def test_every_selector_selects_pods_of_adsum_alone() -> None:
    labels = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in of_kind("Deployment", "Job")
    }
    assert labels == {
        name: {"app.kubernetes.io/name": "adsum", "app.kubernetes.io/component": name.removeprefix("adsum-")}
        for name, _ in pods()
    }
    selectors = [each["spec"]["selector"]["matchLabels"] for each in of_kind("Deployment", "PodDisruptionBudget")]
    selectors += [each["spec"]["selector"] for each in of_kind("Service")]
    assert all(selector in labels.values() for selector in selectors)
    policies = {each["metadata"]["name"]: each["spec"]["podSelector"] for each in of_kind("NetworkPolicy")}
    assert policies.pop("adsum") == {"matchLabels": {"app.kubernetes.io/name": "adsum"}}
    assert policies == {name: {"matchLabels": labels[name]} for name in ("adsum-api", "adsum-worker")}
    assert {each["metadata"]["name"] for each in of_kind("PodDisruptionBudget")} == {"adsum-api", "adsum-worker"}


def test_pods_may_ask_for_names() -> None:
    """Kustomize, with `includeSelectors`, would write the name of Adsum into this selector of other pods, too."""
    (names,) = (rule for rule in named("NetworkPolicy", "adsum")["spec"]["egress"] if "to" in rule)
    assert names["to"][0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}
    assert {(port["protocol"], port["port"]) for port in names["ports"]} == {("UDP", 53), ("TCP", 53)}
    for path in BASE.parent.rglob("kustomization.yaml"):
        given = yaml.safe_load(path.read_text())
        assert not any(each["includeSelectors"] for each in given.get("labels", []))
        assert "commonLabels" not in given


def test_compose_trusts_the_gateway_from_which_requests_to_a_published_port_come() -> None:
    (network,) = compose()["networks"]["default"]["ipam"]["config"]
    assert compose()["services"]["api"]["environment"]["ADSUM_TRUSTED_PROXIES"] == network["gateway"]
    assert ip_address(network["gateway"]) in ip_network(network["subnet"])


def test_the_image_installs_the_pinned_packages_and_contains_nothing_else() -> None:
    (install,) = (line for line in dockerfile().splitlines() if "pip --python" in line)
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install.split())
    requirements = re.findall(r"-r /(requirements/\S+)", install)
    assert requirements == ["requirements/runtime.txt", "requirements/opentelemetry.txt"]
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(kept) == sorted(["LICENSE", "NOTICE", "src", *requirements])
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(), re.MULTILINE)
    assert sorted(name for each in copied for name in each.split()) == sorted(kept)
