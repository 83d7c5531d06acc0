"""Who may work when not all can."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from mosaic_crds.source import EARTH_DAILY_PROCESSES
from mosaic_operator.admission import turns
from mosaic_operator.observed import RequestState
from operator_world import request, settings

PHASES = [None, "Pending", "Planning", "Running", "Finalizing", "Succeeded", "Failed", "Cancelled", "Suspended"]


def asked(number: int, namespace: str = "team", phase: str | None = None, age: int = 0, **execution) -> RequestState:
    document = request(f"r{number}", f"u{number:03}", namespace, **execution)
    document["metadata"]["creationTimestamp"] = f"2026-01-01T00:{59 - age:02}:00Z"
    if phase:
        document["status"] = {"phase": phase}
    return RequestState(document)


def admitted(requests, begun=(), **limits) -> list[str]:
    return [uid for uid, turn in turns(requests, begun, settings(**limits)).items() if turn.admitted]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(PHASES), st.integers(0, 59)), max_size=30),
    st.integers(1, 6),
    st.integers(1, 4),
)
def test_limits_hold_no_place_stays_empty_and_nobody_at_work_is_stopped(given_requests, total, each):
    requests = [asked(number, *given_request) for number, given_request in enumerate(given_requests)]
    found = turns(requests, (), settings(max_running=total, max_running_per_namespace=each))
    at_work = [r for r in requests if r.phase in {"Planning", "Running", "Finalizing"}]
    waiting = [r for r in requests if r.phase in {None, "Pending", "Suspended"}]  # the last ones go on again
    assert all(found[r.uid].admitted for r in at_work)
    assert set(found) == {r.uid for r in at_work + waiting}
    let_in = [r for r in waiting if found[r.uid].admitted]
    if let_in:
        assert len(at_work + let_in) <= total
    working = Counter(r.namespace for r in at_work + let_in)
    assert all(working[r.namespace] <= each for r in let_in)
    for r in waiting:
        if not found[r.uid].admitted:
            assert len(at_work + let_in) >= total or working[r.namespace] >= each
            assert all(other.created <= r.created for other in let_in if other.namespace == r.namespace), (
                "an older request of its namespace goes first"
            )


def test_a_namespace_with_many_requests_does_not_keep_another_waiting():
    crowd = [asked(number, "crowd", age=50) for number in range(20)]
    single = asked(99, "single", age=0)
    assert "u099" in admitted([*crowd, single], max_running=4)


def test_a_free_place_goes_to_the_namespace_with_the_fewest_at_work():
    busy = [asked(1, "a", "Running"), asked(2, "a", age=30), asked(3, "b", age=1)]
    assert admitted(busy, max_running=2) == ["u001", "u003"]


def test_those_let_in_count_before_their_status_says_so():
    requests = [asked(1, age=1), asked(2, age=50)]
    assert admitted(requests, begun={"u001"}, max_running=1) == ["u001"]


def test_the_suspended_take_no_place():
    requests = [asked(1, phase="Suspended", suspend=True), asked(2)]
    assert admitted(requests, max_running=1) == ["u002"]


def test_who_waits_knows_behind_how_many_and_for_which_limit():
    requests = [asked(1, phase="Running"), asked(2, age=9), asked(3, age=5)]
    found = turns(requests, (), settings(max_running_per_namespace=1))
    assert (found["u002"].ahead, found["u003"].ahead) == (1, 2)
    assert found["u003"].limit == "1 of a namespace may work at once"
    assert turns(requests, (), settings(max_running=1))["u002"].limit == "1 may work at once"


def earth(number: int, namespace: str = "team", phase: str | None = None) -> RequestState:
    found = asked(number, namespace, phase, age=number)
    source = {"earthDaily": {"collection": "ai-ready-mosaics", "datetime": "2024-07-01"}}
    spec = dict(found.document["spec"]) | {"source": source}
    return RequestState(dict(found.document) | {"spec": spec})


def test_requests_that_read_from_earth_daily_share_what_it_allows():
    requests = [earth(1, phase="Running"), earth(2, phase="Running"), earth(3), asked(4, phase="Running")]
    found = turns(requests, (), settings())
    assert [found[f"u00{number}"].pods for number in (1, 2, 3, 4)] == [3, 3, 3, None]
    assert turns(requests[:1], (), settings())["u001"].pods == EARTH_DAILY_PROCESSES


def test_where_earth_daily_is_full_others_go_on_and_those_that_wait_know_why():
    at_work = [earth(number, f"n{number}", "Running") for number in range(EARTH_DAILY_PROCESSES)]
    found = turns([*at_work, earth(20, "late"), asked(21, "other")], (), settings())
    assert {found[r.uid].pods for r in at_work} == {1}
    assert found["u021"].admitted
    waiting = found["u020"]
    assert (waiting.admitted, waiting.ahead, waiting.limit) == (False, 10, "10 may read from EarthDaily at once")
