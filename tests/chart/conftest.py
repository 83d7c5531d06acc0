"""Skip these tests with a message if Helm is missing; continuous integration has Helm."""

import os

import pytest

from support.chart.rendering import find_helm


@pytest.fixture(autouse=True, scope="session")
def require_helm() -> None:
    if find_helm() is None:
        reason = "there is no helm: put Helm 3 into the PATH, or build it with tests/cluster/lab/lab build"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
