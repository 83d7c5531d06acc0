"""The digest of the code that pixels depend on: all that planning, tiles and finalize import."""

import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions
from importlib.metadata import version as version_of

import grimp
import pytest
from mosaic_worker import version
from mosaic_worker.version import DETECTORS, LIBRARIES, code_digest, code_version, counted_sources, is_this_code

ENTRY_POINTS = {"mosaic_worker.plan.planning", "mosaic_worker.tiles.ranges", "mosaic_worker.finalize.publishing"}
STORE = "mosaic_worker.store"
"""They move bytes, which the digests in plan and records verify."""
CARRIERS = {
    "awscrt", "defusedxml", "pydantic", "pydantic_core", "pystac", "pystac_client", "requests", "urllib3", "xxhash",
}  # fmt: skip
"""Packages that fetch, parse, check or digest, and compute no pixels."""


@cache
def imported() -> set[str]:
    """All modules that the entry points import, directly or through others, including imports within functions."""
    graph = grimp.build_graph("mosaic_crds", "mosaic_worker", include_external_packages=True, cache_dir=None)
    found, waiting = set(), set(ENTRY_POINTS)
    while waiting:
        found |= waiting
        new = {module for each in waiting for module in graph.find_modules_directly_imported_by(each)}
        waiting = {module for module in new - found if module != STORE and not module.startswith(f"{STORE}.")}
    return found


def counted() -> set[str]:
    return {path.replace("/", ".").removesuffix(".__init__") for path, _ in counted_sources()}


def test_the_digest_contains_exactly_the_modules_that_pixels_depend_on():
    own = {module for module in imported() if module.startswith(("mosaic_crds.", "mosaic_worker."))}
    packages = {module for module in counted() if any(other.startswith(f"{module}.") for other in own)}
    missing, surplus = sorted(own - counted()), sorted(counted() - own - packages)
    assert not missing, f"pixels depend on {missing}: take them out of version.UNCOUNTED"
    assert not surplus, f"no pixel depends on {surplus}: add them to version.UNCOUNTED"


def test_the_digest_contains_every_package_that_pixels_depend_on():
    outside = {module for module in imported() if not module.startswith("mosaic_")}
    other = outside - sys.stdlib_module_names - CARRIERS
    distributions = {name.lower() for module in other for name in packages_distributions()[module]}
    assert distributions <= {*LIBRARIES, *DETECTORS}, (
        "add it to version.LIBRARIES, or to CARRIERS if it computes no pixel"
    )


def test_a_changed_module_or_library_changes_the_digest(tmp_path, monkeypatch):
    digests, sources = {code_digest()}, counted_sources()
    changed = tmp_path / "changed.py"
    changed.write_text("# another")
    with monkeypatch.context() as patch:
        patch.setattr(version, "counted_sources", lambda: [*sources[:-1], (sources[-1][0], changed)])
        digests.add(code_digest.__wrapped__())
    with monkeypatch.context() as patch:
        patch.setattr("importlib.metadata.version", lambda name: f"{name} 0")
        digests.add(code_digest.__wrapped__())
    with monkeypatch.context() as patch:
        patch.setattr("zlib.ZLIB_RUNTIME_VERSION", "0")
        digests.add(code_digest.__wrapped__())
    assert len(digests) == 4


def test_an_optional_extra_does_not_change_the_digest(monkeypatch):
    def installed(name: str) -> str:
        if name in DETECTORS:
            raise PackageNotFoundError(name)
        return version_of(name)

    before = code_digest.__wrapped__()
    monkeypatch.setattr("importlib.metadata.version", installed)
    assert code_digest.__wrapped__() == before
    assert version.detector_versions.__wrapped__() == ()


@pytest.mark.parametrize(
    ("code", "same"),
    [(code_version(), True), (f"9.9.9+{code_digest()}", True), ("0.1.0+0123456789ab", False), ("0.1.0", False)],
)
def test_a_release_without_changes_to_pixels_keeps_the_digest(code, same):
    assert is_this_code(code) is same
