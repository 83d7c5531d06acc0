"""The operator's environment variables."""

import json

import pytest
from mosaic_operator.settings import SettingsError, settings_from

MINIMAL = {"MOSAIC_STORE": "file:///store", "MOSAIC_WORKER_POD": json.dumps({"image": "worker:1"})}


def test_parses_durations_and_lists_and_has_defaults():
    found = settings_from(
        MINIMAL | {"MOSAIC_NAMESPACES": "a, b", "MOSAIC_SWEEP_AGE": "1d12h", "MOSAIC_MAX_RUNNING": "", "POD_NAME": "p"}
    )
    assert (found.namespaces, found.sweep_age, found.max_running, found.own_name) == (("a", "b"), 129600, 32, "p")
    assert settings_from(MINIMAL).namespaces == ()


def test_a_sweep_runs_in_the_namespace_of_the_workers():
    assert settings_from(MINIMAL | {"POD_NAMESPACE": "system"}).sweep_namespace == "system"
    assert settings_from(MINIMAL | {"POD_NAMESPACE": "b", "MOSAIC_NAMESPACES": "a,b"}).sweep_namespace == "b"
    assert settings_from(MINIMAL | {"POD_NAMESPACE": "system", "MOSAIC_NAMESPACES": "a,b"}).sweep_namespace == "a"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"MOSAIC_STORE": ""}, "MOSAIC_STORE is invalid: Field required"),
        ({"MOSAIC_SWEEP_AGE": "soon"}, "MOSAIC_SWEEP_AGE is invalid"),
        ({"MOSAIC_MAX_RUNNING": "0"}, "MOSAIC_MAX_RUNNING is invalid"),
        ({"MOSAIC_WORKER_POD": "{"}, "MOSAIC_WORKER_POD is invalid"),
        ({"MOSAIC_WORKER_POD": '{"image": "x", "volums": []}'}, "MOSAIC_WORKER_POD.volums is invalid"),
        ({"MOSAIC_WORKER_POD": '{"image": "x", "resources": {"tile": {}}}'}, "MOSAIC_WORKER_POD.resources"),
    ],
)
def test_an_error_names_the_invalid_variable(change, sentence):
    with pytest.raises(SettingsError, match=sentence.replace(".", r"\.")):
        settings_from(MINIMAL | change)
