"""What images of earlier releases depend on. All names are literals here, so that a change of the code fails the test.

Additions are fine. A change that makes a test here fail breaks requests that run during an upgrade.
"""

import gzip
import json
from base64 import b64decode
from hashlib import sha256

import pytest
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.status import PlanSummary, ResultStatus
from mosaic_operator.manifests import step_manifests
from mosaic_operator.requests import RequestState

from support.operator.operator_world import World, ended, planned, pod_of, request, settings


@pytest.mark.parametrize("step", ["plan", "tiles", "finalize"])
def test_a_pod_gets_the_arguments_and_variables_of_the_first_release(step):
    secret, job = step_manifests(RequestState(request()), step, settings(), planned(3))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["name"], container["args"]) == ("worker", [step])
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    content = b64decode(secret["data"]["input.json.gz"])
    assert variables["MOSAIC_INPUT"] == "/input/input.json.gz"
    assert variables["MOSAIC_INPUT_SHA256"] == sha256(content).hexdigest()
    assert {"name": "input", "mountPath": "/input", "readOnly": True} in container["volumeMounts"]
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    assert variables.keys() >= {
        "MOSAIC_STORE",
        "MOSAIC_ALLOWED_HOSTS",
        "MOSAIC_MAX_PIXELS",
        "MOSAIC_MAX_SCENES",
        "MOSAIC_RANGE_SECONDS",
        "MOSAIC_PARALLELISM",
    }
    document = json.loads(gzip.decompress(content))
    assert document["apiVersion"] == "mosaics.arbutus.dev/v1alpha1"
    assert document["kind"] == "MosaicRequest"
    assert document["metadata"] == {"name": "ndsi", "namespace": "team", "uid": "u1"}
    assert document["spec"].keys() == {"source", "product"}


def test_understands_the_messages_of_the_first_release():
    plan = {"tiles": 9, "ranges": 3, "scenes": 2, "megapixels": 30.1, "estimatedCoreSeconds": 12}
    PlanSummary.model_validate(plan | {"estimatedBytes": 10**8, "warnings": ["one"]})
    statistics = {"minimum": -1.0, "maximum": 1.0, "mean": 0.0, "validPercent": 99.5, "outOfRange": 1}
    result = {"cog": "s3://b/mosaic.tif", "png": "s3://b/mosaic.png", "item": "s3://b/mosaic.json", "notes": ["one"]}
    ResultStatus.model_validate(result | {"bounds": [0.0, 0.0, 1.0, 1.0], "statistics": statistics, "pixels": 9})


@pytest.mark.parametrize(("code", "phase"), [(42, "Failed"), (43, "Planning"), (1, "Planning")])
def test_understands_the_exit_codes_of_the_first_release(code, phase):
    assert (RequestError.exit_code, PassingError.exit_code) == (42, 43)
    world = World()
    world.step()
    (job,) = world.jobs.values()
    world.pods.append(pod := pod_of(job, **ended(code, {"message": "sorry"})))
    if code == 42:
        world.fail(next(iter(world.jobs)), pod)
    world.step()
    assert world.status["phase"] == phase
    assert "sorry" in world.status["message"]
