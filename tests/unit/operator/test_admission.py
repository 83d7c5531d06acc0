"""The order in which requests are admitted when not all can run."""

from collections import Counter
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosaic_crds.names import LABEL_OWNER
from mosaic_crds.source_kinds import EARTH_DAILY
from mosaic_operator.admission import admissions, owner_of
from mosaic_operator.cache import Cache
from mosaic_operator.requests import RequestState
from mosaic_operator.slots import Slots

from support.operator.operator_world import request, settings

PHASES = [None, "Pending", "Planning", "Running", "Finalizing", "Succeeded", "Failed", "Cancelled", "Suspended"]


def requested(
    number: int, namespace: str = "team", phase: str | None = None, age: int = 0, **execution
) -> RequestState:
    document = request(f"r{number}", f"u{number:03}", namespace, **execution)
    document["metadata"]["creationTimestamp"] = f"2026-01-01T00:{59 - age:02}:00Z"
    if phase:
        document["status"] = {"phase": phase}
    return RequestState(document)


def admitted(requests, started=(), **limits) -> list[str]:
    return [uid for uid, admission in admissions(requests, started, settings(**limits)).items() if admission.admitted]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(PHASES), st.integers(0, 59)), max_size=30),
    st.integers(1, 6),
    st.integers(1, 4),
)
def test_admission_respects_limits_fills_slots_and_stops_no_admitted_request(given_requests, total, each):
    requests = [requested(number, *given_request) for number, given_request in enumerate(given_requests)]
    found = admissions(requests, (), settings(max_running=total, max_running_per_namespace=each))
    active = [r for r in requests if r.phase in {"Planning", "Running", "Finalizing"}]
    waiting = [r for r in requests if r.phase in {None, "Pending", "Suspended"}]  # suspended requests may resume
    assert all(found[r.uid].admitted for r in active)
    assert set(found) == {r.uid for r in active + waiting}
    admitted_now = [r for r in waiting if found[r.uid].admitted]
    if admitted_now:
        assert len(active + admitted_now) <= total
    working = Counter(r.namespace for r in active + admitted_now)
    assert all(working[r.namespace] <= each for r in admitted_now)
    for r in waiting:
        if not found[r.uid].admitted:
            assert len(active + admitted_now) >= total or working[r.namespace] >= each
            assert all(other.created <= r.created for other in admitted_now if other.namespace == r.namespace), (
                "an older request of its namespace must be admitted first"
            )


def test_a_namespace_with_many_requests_does_not_delay_another():
    crowd = [requested(number, "crowd", age=50) for number in range(20)]
    single = requested(99, "single", age=0)
    assert "u099" in admitted([*crowd, single], max_running=4)


def test_a_free_slot_goes_to_the_namespace_with_the_fewest_running_requests():
    busy = [requested(1, "a", "Running"), requested(2, "a", age=30), requested(3, "b", age=1)]
    assert admitted(busy, max_running=2) == ["u001", "u003"]


def owned(number: int, owner: str, phase: str | None = None, age: int = 0) -> RequestState:
    found = requested(number, "team", phase, age)
    metadata = dict(found.document["metadata"]) | ({"labels": {LABEL_OWNER: owner}} if owner else {})
    return RequestState(dict(found.document) | {"metadata": metadata})


@pytest.mark.parametrize("place", ["max_running_per_namespace", "max_running"])
def test_a_user_with_many_requests_does_not_delay_others_of_the_namespace(place):
    crowd = [owned(number, "ann", age=50) for number in range(50)]
    requests = [*crowd, owned(90, "bob"), owned(91, ""), owned(92, "cy", age=1)]
    assert {"u090", "u091", "u092"} <= set(admitted(requests, owners_namespace="team", **{place: 4}))


def test_a_user_leaves_slots_for_later_users():
    crowd = [owned(number, "ann", "Running") for number in range(6)] + [owned(number, "ann") for number in range(6, 50)]
    found = admissions([*crowd, owned(90, "bob")], (), settings(owners_namespace="team"))
    assert [uid for uid, admission in found.items() if admission.admitted] == [
        *(f"u00{number}" for number in range(6)),
        "u090",
    ]
    assert (found["u006"].ahead, found["u006"].limit) == (6, "only 6 per user may run at once")


@pytest.mark.parametrize("of", ["users", "namespaces"])
def test_users_take_turns_where_one_request_is_admitted(of):
    who = owned if of == "users" else requested
    waiting = {name: [who(10 * n + m, name, age=50 - 10 * n) for m in range(3)] for n, name in enumerate("abc")}
    served: dict[tuple[str, str], datetime] = {}
    configured = settings(owners_namespace="team", max_running=1)
    order = ""
    for minute in range(9):
        found = admissions([request for queue in waiting.values() for request in queue], (), configured, served)
        (chosen,) = [request for queue in waiting.values() for request in queue if found[request.uid].admitted]
        name = chosen.owner or chosen.namespace
        waiting[name].remove(chosen)
        served[owner_of(chosen, configured)] = datetime(2026, 1, 1, 1, minute, tzinfo=UTC)
        order += name
    assert order == "abcabcabc"


def test_a_forged_owner_has_no_advantage():
    forged = [owned(number, f"nobody-{number}", age=1) for number in range(50)]
    honest = [requested(number, "team", age=50) for number in range(60, 64)]
    elsewhere = settings(owners_namespace="the-api", max_running_per_namespace=4)
    found = admissions([*forged, *honest], (), elsewhere)
    assert {uid for uid, admission in found.items() if admission.admitted} == {r.uid for r in honest}


def test_an_admitted_request_counts_before_its_status_is_written():
    requests = [requested(1, age=1), requested(2, age=50)]
    assert admitted(requests, started={"u001"}, max_running=1) == ["u001"]


def test_suspended_requests_occupy_no_slot():
    requests = [requested(1, phase="Suspended", suspend=True), requested(2)]
    assert admitted(requests, max_running=1) == ["u002"]


def test_a_waiting_request_has_its_position_and_the_limit_that_delays_it():
    requests = [requested(1, phase="Running"), requested(2, age=9), requested(3, age=5)]
    found = admissions(requests, (), settings(max_running_per_namespace=1))
    assert (found["u002"].ahead, found["u003"].ahead) == (1, 2)
    assert found["u003"].limit == "only 1 per namespace may run at once"
    assert admissions(requests, (), settings(max_running=1))["u002"].limit == "only 1 may run at once"


def earth(number: int, namespace: str = "team", phase: str | None = None) -> RequestState:
    found = requested(number, namespace, phase, age=number)
    source = {"earthDaily": {"collection": "ai-ready-mosaics", "datetime": "2024-07-01"}}
    spec = dict(found.document["spec"]) | {"source": source}
    return RequestState(dict(found.document) | {"spec": spec})


def test_requests_to_earth_daily_share_its_limit():
    requests = [earth(1, phase="Running"), earth(2, phase="Running"), earth(3), requested(4, phase="Running")]
    found = admissions(requests, (), settings())
    assert [found[f"u00{number}"].pods for number in (1, 2, 3, 4)] == [3, 3, 3, None]
    assert admissions(requests[:1], (), settings())["u001"].pods == EARTH_DAILY.processes


def test_other_requests_continue_when_the_limit_of_earth_daily_is_reached():
    active = [earth(number, f"n{number}", "Running") for number in range(EARTH_DAILY.processes)]
    found = admissions([*active, earth(20, "late"), requested(21, "other")], (), settings())
    assert {found[r.uid].pods for r in active} == {1}
    assert found["u021"].admitted
    waiting = found["u020"]
    assert (waiting.admitted, waiting.ahead, waiting.limit) == (False, 10, "only 10 may read from EarthDaily at once")


def test_users_take_turns_although_finished_requests_are_forgotten():
    cache, minutes = Cache(), count()
    configured = settings(owners_namespace="team", max_running=1)
    places = Slots(cache, configured, lambda: datetime(2026, 1, 1, 1, next(minutes), tzinfo=UTC))
    for number in range(8):
        cache.see_request("ADDED", dict(owned(number, "ann" if number < 5 else "bob", age=50 - number).document))
    order = []
    while cache.requests:
        (key,) = [key for key, request in cache.requests.items() if places.admission(request).admitted]
        request = cache.requests[key]
        order.append(request.owner)
        cache.remove(key, request.uid)
        places.leave(request.uid)
    assert order == ["ann", "bob", "ann", "bob", "ann", "bob", "ann", "ann"]
