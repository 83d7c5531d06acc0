"""The content of compose.yaml; tests/compose runs it."""

from pathlib import Path

import pytest
import yaml

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text())


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_each_service_has_a_limit_of_memory_and_processes(service: str):
    limits = COMPOSE["services"][service]
    assert limits["mem_limit"]
    assert 0 < limits["pids_limit"] <= 4096
