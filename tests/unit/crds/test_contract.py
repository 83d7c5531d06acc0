"""Valid requests, and the error message of each invalid one."""

import math
import time
from collections.abc import Iterator

import pytest
from mosaic_crds.errors import RequestError
from mosaic_crds.fields import Model
from mosaic_crds.validation import load_request
from pydantic import ValidationError

from support.contract_table import BASE, CASES, Case, request_with


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_request_is_accepted_or_gets_the_expected_error(case: Case):
    if case.message is None:
        load_request(case.request)
        return
    with pytest.raises(RequestError) as refused:
        load_request(case.request)
    assert str(refused.value) == f"the request: {case.message}"


def test_names_of_cases_are_unique():
    assert len({case.name for case in CASES}) == len(CASES)


def models(model: type[Model]) -> Iterator[type[Model]]:
    """All models of the contract."""
    for each in model.__subclasses__():
        yield each
        yield from models(each)


def test_models_accept_only_the_spelling_of_the_api_server():
    """A field that the API server drops as unknown must not work with the command either."""
    spelt = [(model, name, str(field.alias)) for model in models(Model) for name, field in model.model_fields.items()]
    assert ("max_cloud_cover", "maxCloudCover") in {(name, alias) for _, name, alias in spelt}
    for model, name, alias in spelt:
        if name != alias:
            with pytest.raises(ValidationError) as refused:
                model.model_validate({name: 1})
            assert (name,) in {error["loc"] for error in refused.value.errors() if error["type"] == "extra_forbidden"}


def test_a_band_given_as_text_is_a_file():
    scene = load_request(BASE).spec.source.files.scenes[0]
    file = scene.bands["green"]
    assert (file.href, file.band, file.scale, file.offset, file.nodata) == ("green.tif", 1, None, None, None)


def test_a_mask_given_as_text_is_a_scene_classification():
    request = load_request(request_with({"spec.source.files.scenes.0.mask": "scl.tif"}))
    mask = request.spec.source.files.scenes[0].mask
    assert (mask.href, mask.band, mask.values) == ("scl.tif", 1, "scl")


@pytest.fixture
def in_vancouver(monkeypatch):
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "America/Vancouver")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_vancouver")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-07-01", 1719792000),
        ("2024-07-01T00:00:00Z", 1719792000),
        ("2024-07-01T02:00:00+02:00", 1719792000),
        ("2024-06-30T17:00:00.5-07:00", 1719792000.5),
    ],
)
def test_a_time_keeps_its_instant_and_a_date_is_midnight_utc(text, seconds):
    request = load_request(request_with({"spec.source.files.scenes.0.datetime": text}))
    assert request.spec.source.files.scenes[0].datetime.timestamp() == seconds


def test_omitted_fields_have_the_documented_defaults():
    spec = load_request(BASE).spec
    assert spec.area is None
    assert spec.composite.model_dump(by_alias=True) == {
        "method": "median",
        "percentile": None,
        "of": "product",
        "enough": None,
        "prefer": None,
        "mask": [],
        "detect": None,
        "above": 40.0,
        "open": 0,
        "dilate": 0,
        "count": False,
        "chosen": False,
        "harmonise": "none",
        "feather": 0.0,
        "deviations": False,
    }
    assert spec.grid.model_dump() == {"crs": None, "resolution": None, "resampling": None}
    assert spec.output.model_dump(exclude_none=True) == {
        "formats": ["cog", "png"],
        "dtype": "float32",
    }
    assert spec.execution.model_dump(by_alias=True, exclude_none=True) == {
        "parallelism": 8,
        "retriesPerRange": 3,
        "rangeDeadline": "15m",
        "deadline": "6h",
        "ttlAfterFinished": "1d",
        "suspend": False,
        "cancel": False,
    }


def test_a_serialised_request_is_the_same_when_parsed():
    request = load_request(BASE)
    assert load_request(request.model_dump(mode="json", by_alias=True)) == request


def test_a_request_of_the_api_server_is_parsed_with_its_status():
    request = load_request(
        request_with(
            {
                "metadata.uid": "8f1c2a9e-0b7d-4a55-9c58-6a4e9d1c7f10",
                "metadata.resourceVersion": "12",
                "metadata.managedFields": [{"manager": "kubectl"}],
                "status": {
                    "phase": "Running",
                    "startTime": "2024-07-01T19:03:11Z",
                    "conditions": [
                        {
                            "type": "Planned",
                            "status": "True",
                            "reason": "PlanWritten",
                            "message": "12 tiles",
                            "lastTransitionTime": "2024-07-01T19:03:12Z",
                            "observedGeneration": 1,
                        }
                    ],
                },
            }
        )
    )
    assert request.metadata.uid == "8f1c2a9e-0b7d-4a55-9c58-6a4e9d1c7f10"
    assert request.status.phase == "Running"
    assert request.status.conditions[0].type == "Planned"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_invalid_numbers_are_refused(number):
    with pytest.raises(RequestError, match=r"spec\.grid\.resolution: a number must be finite"):
        load_request(request_with({"spec.grid": {"resolution": number}}))


def test_a_coordinate_must_be_a_number():
    ring = [[0, 0], [1, 0], [1, math.nan], [0, 0]]
    with pytest.raises(
        RequestError, match=r"spec\.area\.geometry\.coordinates\[0\]\[2\]\[1\]: a number must be finite"
    ):
        load_request(request_with({"spec.area": {"geometry": {"type": "Polygon", "coordinates": [ring]}}}))


def test_a_field_in_a_mapping_without_fields_is_refused():
    with pytest.raises(RequestError, match=r"stretch\.minmax\.x is not a field; no fields are allowed here"):
        load_request(request_with({"spec.output": {"stretch": {"minmax": {"x": 1}}}}))


def test_control_characters_in_a_name_are_escaped():
    with pytest.raises(RequestError) as refused:
        load_request(request_with({"spec.\x1b[2J\nx": 1}))
    assert str(refused.value).startswith(r"the request: spec.\x1b[2J\nx is not a field")
