"""The commands that the chart prints after an installation work when they are pasted into a shell."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from mosaic_api.commands.tokens import create
from mosaic_crds.names import KIND
from mosaic_crds.validation import load_request
from mosaic_operator.settings import settings_from

from support.chart.rendering import API, CHART, NAMESPACE, VARIANTS, assert_restricted, deployment, environment, render


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with its notes as an object, because `helm template` omits notes."""
    copy = tmp_path_factory.mktemp("chart") / "mosaic-operator"
    shutil.copytree(CHART, copy)
    (copy / "templates/printed.yaml").write_text(
        "kind: Notes\nmetadata: {name: notes}\n"
        'text: {{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}\n'
    )
    return copy


def notes(chart: Path, values: dict[str, Any]) -> tuple[str, list[Any]]:
    """The notes, and the objects that their commands apply."""
    text = render(values, chart=chart).one("Notes")["text"]
    applied = re.findall(r"kubectl apply --namespace (\S+) --filename - <<'END'\n(.*?)\n  END\n", text, re.DOTALL)
    return text, [(namespace, yaml.safe_load(document)) for namespace, document in applied]


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_the_first_request_is_valid_and_in_a_served_namespace(chart: Path, values: dict[str, Any]) -> None:
    _, ((namespace, request), *_) = notes(chart, values)
    assert request["kind"] == KIND
    load_request(request)
    assert namespace in (settings_from(environment(render(values))).namespaces or {NAMESPACE})


def test_the_hosts_of_the_chart_admit_the_first_request(chart: Path) -> None:
    text, ((_, request), _) = notes(chart, {})
    (scene,) = request["spec"]["source"]["files"]["scenes"]
    assert scene["item"].split("/")[2] in settings_from(environment(render())).allowed_hosts.split(",")
    assert "does not include both hosts" not in text
    assert "does not include both hosts" in notes(chart, {"allowedHosts": ["data.example.org"]})[0]


CLAIMS = {name: values for name, values in VARIANTS.items() if "uri" not in values.get("store", {})}


@pytest.mark.parametrize("values", CLAIMS.values(), ids=CLAIMS)
def test_a_restricted_pod_fetches_results_from_the_claim_of_the_workers(chart: Path, values: dict[str, Any]) -> None:
    _, (_, (_, pod)) = notes(chart, values)
    worker = settings_from(environment(render(values))).worker_pod
    assert_restricted(pod["spec"])
    assert pod["spec"]["automountServiceAccountToken"] is False
    (container,) = pod["spec"]["containers"]
    assert container["image"] == worker.image
    assert pod["spec"]["volumes"] == worker.volumes[:1]
    assert container["volumeMounts"] == [mount | {"readOnly": True} for mount in worker.volume_mounts[:1]]


@pytest.mark.parametrize(
    ("variant", "item", "command"),
    [
        (
            "data lake",
            "abfss://maps@arbutus.dfs.core.windows.net/mosaics/mosaics/n/chilko/u/mosaic.json",
            """az storage fs directory download --account-name arbutus --file-system maps
            --source-path mosaics/mosaics/n/chilko/u --destination-path chilko --recursive""",
        ),
        (
            "blobs",
            "az://maps/mosaics/n/chilko/u/mosaic.json",
            "az storage blob download-batch --source maps --destination chilko --pattern mosaics/n/chilko/u/*",
        ),
        (
            "s3",
            "s3://maps/a folder/mosaics/n/chilko/u/mosaic.json",
            """aws s3 cp --recursive --endpoint-url https://rgw.example.org:8443
            s3://maps/a folder/mosaics/n/chilko/u/ chilko""",
        ),
    ],
)
def test_fetches_results_from_a_network_store(chart: Path, variant: str, item: str, command: str) -> None:
    text, applied = notes(chart, VARIANTS[variant])
    assert len(applied) == 1
    assert "claim" not in text
    script = text[text.index("  item=$(") :]
    shell = f'kubectl() {{ echo {item!r}; }}; aws() {{ echo aws "$@"; }}; az() {{ echo az "$@"; }}\n{script}'
    done = subprocess.run(["bash", "-euc", shell], capture_output=True, text=True, check=True)
    assert done.stdout.split() == command.split()


@pytest.mark.parametrize(
    ("url", "forwarded"),
    [
        ("https://mosaics.example.org", ""),
        ("http://127.0.0.1:8081", "kubectl port-forward --namespace mosaics service/mosaic-operator-api 8081:8080"),
        ("http://localhost", "kubectl port-forward --namespace mosaics service/mosaic-operator-api 80:8080"),
    ],
)
def test_the_notes_show_the_page_and_how_to_reach_it_without_an_ingress(chart: Path, url: str, forwarded: str) -> None:
    text, _ = notes(chart, {"api": API | {"publicUrl": url}})
    _, _, instructions = text.partition(f"The page is at {url}")
    assert instructions.startswith(f", while this runs:\n\n  {forwarded}\n" if forwarded else ".\n")
    assert "The page is at" not in notes(chart, {})[0]


API_VARIANTS = {name: values for name, values in VARIANTS.items() if name.startswith("api")}


@pytest.mark.parametrize("values", API_VARIANTS.values(), ids=API_VARIANTS)
def test_a_pod_of_the_api_creates_the_first_token(chart: Path, values: dict[str, Any]) -> None:
    objects = render(values)
    made = deployment(objects, "api")
    labels = made["spec"]["template"]["metadata"]["labels"]
    place, name = made["metadata"]["namespace"], made["metadata"]["name"]
    requested = commands(notes(chart, values)[0])
    exec_, made_in = requested["exec"].split(" -- ")
    assert exec_ == f"kubectl exec --namespace {place} deployment/{name}"
    program, group, command, *arguments = shlex.split(made_in)
    assert (program, group, command) == ("mosaic", "token", "create")
    asked_for = create.make_context(command, arguments).params
    assert (asked_for["role"], asked_for["scopes"]) == ("admin", ("admin",))
    selector = dict(pair.split("=") for pair in shlex.split(requested["get pods"])[-1].split(","))
    assert selector.items() <= labels.items()
    assert requested["logs"] == f"kubectl logs --namespace {place} deployment/{name}"


def test_the_notes_explain_remote_access_to_the_page(chart: Path) -> None:
    text, _ = notes(chart, {"api": API})
    assert "to port 8080 of the Service mosaic-operator-api" in text
    text, _ = notes(chart, {"api": API | {"ingress": {"enabled": True}, "trustedProxies": ["10.42.0.0/16"]}})
    assert commands(text)["get ingress"] == f"kubectl get ingress --namespace {NAMESPACE} mosaic-operator-api"
    assert "The name mosaics.example.org must resolve" in text


def commands(text: str) -> dict[str, str]:
    """The kubectl commands by their verb, except `apply`."""
    found = re.findall(r"^  (kubectl (exec|logs|port-forward|get pods|get ingress) .*)$", text, re.MULTILINE)
    return {verb: command for command, verb in found}
