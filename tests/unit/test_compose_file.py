"""compose.yaml as it is written; tests/compose runs it."""

from pathlib import Path

import pytest
import yaml

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text())


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_no_service_can_take_the_memory_or_the_processes_of_the_machine(service: str):
    limits = COMPOSE["services"][service]
    assert limits["mem_limit"]
    assert 0 < limits["pids_limit"] <= 4096
