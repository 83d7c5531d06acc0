"""The index catalogue: every index can be found by name and has the result of spyndex."""

import numpy as np
import pytest
import spyndex
from mosaic_crds.errors import RequestError
from mosaic_worker.product.bands import canonical
from mosaic_worker.product.expression import parse
from mosaic_worker.product.indices import all_indices, find

INDICES = all_indices()
KERNELS = {"kEVI", "kIPVI", "kNDVI", "kRVI", "kVARI"}


def reflectance(band: str) -> np.ndarray:
    return np.random.default_rng(sum(map(ord, band))).uniform(0.05, 0.6, 64)


def test_contains_the_whole_catalogue():
    assert len(INDICES) == len(spyndex.indices) == 280
    assert [index.name for index in INDICES if index.lacking] == ["NIRvP"]


@pytest.mark.parametrize("index", [i for i in INDICES if not i.lacking and i.name not in KERNELS], ids=lambda i: i.name)
def test_an_index_has_the_result_of_spyndex(index):
    parameters = {constant.name: constant.value for constant in index.constants}
    for name in spyndex.indices[index.name].bands:
        if name not in parameters:
            parameters[name] = reflectance(canonical(name))
    with np.errstate(all="ignore"):
        expected = np.asarray(spyndex.computeIndex(index.name, parameters), float) * np.ones(64)
    values = {band: reflectance(band).astype(np.float32) for band in index.bands}
    found = index.expression.evaluate(values)
    usable = np.isfinite(expected) & (np.abs(expected) < 1e6)
    np.testing.assert_allclose(found[usable], expected[usable], rtol=2e-3, atol=2e-5)
    assert np.isnan(found[~np.isfinite(expected)]).all()


def test_kernel_ndvi_is_the_hyperbolic_tangent_of_the_square_of_ndvi():
    """Camps-Valls et al. (2021), with the length scale (nir + red) / 2."""
    values = {band: reflectance(band).astype(np.float32) for band in ("nir", "red")}
    ndvi = parse("(nir - red) / (nir + red)").evaluate(values)
    np.testing.assert_allclose(find("kNDVI").expression.evaluate(values), np.tanh(ndvi.astype(float) ** 2), atol=1e-6)


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_every_kernel_index_can_be_computed(name):
    index = find(name)
    found = index.expression.evaluate({band: reflectance(band).astype(np.float32) for band in index.bands})
    assert np.isfinite(found).all()


def test_names_are_not_case_sensitive():
    assert find("ndvi").name == "NDVI"
    assert find("NDSI").bands == ("green", "swir16")
    assert find("evi").bands == ("nir", "red", "blue")


def test_suggests_the_nearest_name_for_a_misspelt_index():
    with pytest.raises(RequestError, match=r"unknown index NDVII? \(did you mean \w+\?\)"):
        find("NDVII")


def test_an_error_names_the_missing_value():
    with pytest.raises(RequestError, match=r"NIRvP needs PAR, which has no default; use spec\.product\.expression"):
        _ = find("NIRvP").expression


def test_constants_have_a_value_and_a_meaning():
    constants = {constant.name: constant for constant in find("EVI").constants}
    assert (constants["C1"].value, constants["L"].value, constants["g"].value) == (6, 1, 2.5)
    assert "aerosol" in constants["C1"].meaning


def test_wavelengths_are_those_of_sentinel_2():
    constants = {constant.name: constant.value for constant in find("FAI").constants}
    assert constants == {"lambdaN": 832.8, "lambdaR": 664.6, "lambdaS1": 1613.7}


@pytest.mark.parametrize(
    ("name", "common"),
    [
        ("N", "nir"),
        ("B08", "nir"),
        ("b8a", "nir08"),
        ("N2", "nir08"),
        ("rededge1", "rededge071"),
        ("RE3", "rededge078"),
        ("NIR", "nir"),
        ("swir16", "swir16"),
        ("S1", "swir16"),
        ("VV", "VV"),
        ("mine", "mine"),
    ],
)
def test_all_names_of_a_band_are_known(name, common):
    assert canonical(name) == common


def test_indices_with_constants_need_reflectance_and_ratios_do_not():
    assert not find("EVI").expression.homogeneous
    assert not find("SAVI").expression.homogeneous
    assert find("NDVI").expression.homogeneous
    assert find("NDVI").expression.normalised_difference
