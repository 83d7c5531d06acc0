"""Names of cluster objects that an installation allows in requests."""

import pytest
from mosaic_crds.allowed import Allowed
from mosaic_crds.errors import RequestError
from mosaic_crds.spec import Execution


@pytest.mark.parametrize(
    ("allowed", "execution", "sentence"),
    [
        (
            Allowed(),
            Execution(priorityClass="system-node-critical"),
            'spec.execution.priorityClass is "system-node-critical"; this installation allows none',
        ),
        (
            Allowed(("low", "batch"), ("research",)),
            Execution(priorityClass="high", queue="research"),
            'spec.execution.priorityClass is "high"; this installation allows low or batch',
        ),
        (
            Allowed(("low",)),
            Execution(priorityClass="low", queue="theirs"),
            'spec.execution.queue is "theirs"; this installation allows none',
        ),
    ],
)
def test_refuses_names_that_are_not_listed(allowed, execution, sentence):
    with pytest.raises(RequestError) as refused:
        allowed.check(execution)
    assert str(refused.value) == sentence
    assert refused.value.field == sentence.split(" ", 1)[0]


def test_accepts_listed_names_and_requests_without_names():
    Allowed().check(Execution())
    Allowed(("low",), ("research",)).check(Execution(priorityClass="low", queue="research"))
