"""The usual colours of indices."""

import pytest
from mosaic_worker.product.indices import all_indices, find
from mosaic_worker.product.ramps import _EXCEPTIONS, PLAIN, ramp_of


@pytest.mark.parametrize(
    ("names", "colormap", "limits"),
    [
        ("NDVI EVI SAVI GNDVI NDREI OSAVI", "RdYlGn", (-0.2, 0.9)),
        ("SR DVI CIG NGRDI", "RdYlGn", None),
        ("NDWI MNDWI", "Blues", (-1, 1)),
        ("NDSI NDSII", "Blues", (-1, 1)),
        ("AWEInsh", "Blues", None),
        ("NDMI LSWI", "RdYlBu", (-0.8, 0.8)),
        ("NBR", "RdYlGn", (-0.5, 1)),
        ("BAI", "YlOrRd", None),
        ("BI", "YlOrBr", (-0.5, 0.5)),
        ("NDBI", "Reds", (-0.5, 0.5)),
        ("RFDI kNDVI CI1SWIR NDDI MSI NSDS", "viridis", None),
    ],
)
def test_the_topic_of_an_index_decides_with_exceptions(names, colormap, limits):
    for name in names.split():
        ramp = ramp_of(find(name))
        assert (name, ramp.colormap, ramp.limits) == (name, colormap, limits)


def test_exceptions_are_indices_of_the_catalogue():
    assert set(_EXCEPTIONS) <= {index.name for index in all_indices()}


def test_indices_have_limits_only_if_their_values_are_bounded():
    known = {"EVI", "EVI2", "SAVI", "OSAVI", "GSAVI", "GOSAVI", "MSAVI", "SARVI", "ATSAVI", "TSAVI", "ANDWI"}
    for index in all_indices():
        limits = ramp_of(index).limits
        if limits is not None and index.name not in known:
            assert index.expression.normalised_difference, index.name
            assert -1 <= limits[0] < limits[1] <= 1


def test_indices_of_unknown_topics_have_no_meaning():
    assert all(ramp_of(index) == PLAIN for index in all_indices() if index.domain in {"radar", "kernel", "clouds"})
