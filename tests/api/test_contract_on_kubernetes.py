"""A real API server and the models: the same requests are refused, with messages that say what to do; statuses."""

import re
from datetime import UTC, datetime

from mosaic_crds.crd import UNSEEN
from mosaic_crds.lifecycle import StatusWriter, Trouble

from support.api.kube_server import KubeServer
from support.contract_table import CASES, Case

CLEAR = re.compile(
    r"Required value|Unsupported value: .+: supported values: |Too many: \d+: must have at most \d+ items|"
    r"Too long: may not be more than \d+ bytes|must be of type \w+|should be (less|greater) than or equal to|"
    r"should (have|be) at least \d+ (items|properties|chars long)|unknown field \"|must be MosaicRequest|"
    r"does not match the expected API version|must not contain control characters"
)
"""Messages of the API server about keywords of a schema, which a user understands."""
OBSCURE = re.compile(r"should match '|\((oneOf|anyOf|allOf|not)\)|out of bounds|no such key|evaluating rule")
"""Messages that show the inside of a schema instead of what to do."""


def wrong(case: Case, refusal: str) -> str:
    """What is wrong with the answer of the API server; empty if nothing is."""
    if case.message is None:
        return refusal
    advice = case.message.partition("; ")[2]
    if not refusal:
        return "it is accepted"
    if OBSCURE.search(refusal):
        return f"obscure: {refusal}"
    return "" if (advice and advice in refusal) or CLEAR.search(refusal) else f"not {advice!r}: {refusal}"


def test_the_api_server_enforces_the_contract_with_the_messages_of_the_command(kube: KubeServer):
    checked = [case for case in CASES if case.message is None or case.server]
    found = {case.name: wrong(case, kube.refusal(case.request)) for case in checked}
    assert {name: problem for name, problem in found.items() if problem} == {}


def test_a_large_request_is_within_the_cost_limits_of_the_api_server(kube: KubeServer):
    assets = {f"band{number}": "v" * 45 for number in range(32)}
    request = CASES[0].request | {
        "spec": CASES[0].request["spec"] | {"source": {"files": {"scenes": [{"item": "i", "assets": assets}] * 500}}}
    }
    assert kube.refusal(request) == ""


def test_a_request_that_no_operator_has_seen_is_not_ready(kube: KubeServer):
    kube.add_namespace("unseen")
    assert kube.apply("unseen", "new", CASES[0].request["spec"])["status"] == {"conditions": [UNSEEN]}
    writer = StatusWriter(kube.request("unseen", "new")["status"], datetime.now(UTC))
    for step in (StatusWriter.accept, StatusWriter.planning, lambda writer: writer.fail(Trouble("Refused", "No"))):
        step(writer)
        kube.set_status("unseen", "new", writer.status)
        assert kube.request("unseen", "new")["status"] == writer.status
