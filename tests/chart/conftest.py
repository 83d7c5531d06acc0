"""Without Helm these tests are skipped and say so; continuous integration has it."""

import os

import pytest

from support.chart.rendering import find_helm


@pytest.fixture(autouse=True, scope="session")
def helm_is_there() -> None:
    if find_helm() is None:
        reason = "there is no helm: put Helm 3 into the PATH, or build it with tests/cluster/lab/lab build"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
