"""After any sequence of actions on both sides and any losses between them, rows and requests converge, each once."""

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mosaic_api.database import Database
from mosaic_api.database.models import now
from mosaic_api.kube.client import ApiError, Cluster
from mosaic_api.kube.resource import Resource
from mosaic_api.settings import Settings
from mosaic_api.sync.actions import Actor
from mosaic_api.sync.decide import Wait, decide
from mosaic_api.sync.observed import Observed
from mosaic_api.sync.rows import rows_of
from mosaic_api.web.problems import Conflict
from mosaic_crds.errors import PassingError
from mosaic_crds.names import ANNOTATION_ROW

from support.api.kube_server import KubeServer
from support.api.sync_world import DONE, RUNNING, SPEC, World

EXAMPLES = int(os.environ.get("MOSAIC_TEST_EXAMPLES", "60"))
NAMES = st.sampled_from(["a", "a", "a", "b"])
PEOPLE = st.one_of(
    st.tuples(st.sampled_from(["ask", "apply", "steal", "delete", "stop", "run", "finish", "suspend"]), NAMES),
    st.tuples(st.sampled_from(["cancel", "remove"]), st.integers(0, 2)),
)
LOSSES = st.tuples(
    st.just("look"),
    st.tuples(
        st.sampled_from([0, 0, 1, 3]),  # the age of the view of the cluster, in looks
        st.sampled_from(["", "before", "after"]),  # whether the connection breaks before or after the first call
    ),
)


class Breaking(Cluster):
    """A connection to the API server that breaks once, before or after the server processes a call."""

    breaks = ""

    def _call(self, verb: str, *arguments: Any, **query: str) -> Any:
        when, changing = self.breaks, verb in {"patch", "delete"}
        if changing and when == "before":
            self.breaks = ""
            raise ApiError(0, "the connection broke")
        answer = super()._call(verb, *arguments, **query)
        if changing and when == "after":
            self.breaks = ""
            raise ApiError(0, "the connection broke")
        return answer


class Stepped(World):
    """An installation whose sync runs when a test calls `look`."""

    def __init__(self, kube: KubeServer, database: Database, settings: Settings) -> None:
        super().__init__(kube, database, settings)
        self.cluster = Breaking(kube.configuration, self.namespace)
        self.actor = Actor(self.namespace, database, self.store, self.cluster)
        self.views: list[dict[str, Resource]] = []
        self.applied: set[str] = set()
        self.ended: set[str] = set()
        self.known: dict[uuid.UUID, str] = {}

    def look(self, age: int = 0, breaks: str = "") -> int:
        """Compare all names and act; return the number of actions."""
        self.views.append({found.name: found for found in self.cluster.list()[0]})
        seen = self.views[-min(age + 1, len(self.views))]
        self.cluster.breaks = breaks
        done = 0
        rows = rows_of(self.database, self.namespace)
        for name in sorted(rows.keys() | seen.keys()):
            for action in decide(Observed(rows.get(name, []), seen.get(name)), now()):
                if isinstance(action, Wait):
                    continue
                done += 1
                try:
                    self.actor.do(action)
                except PassingError:
                    break
        self.cluster.breaks = ""
        for row in self.rows():
            assert self.known.setdefault(row.id, row.uid or "") in {"", row.uid}, "a row keeps its uid"
            self.known[row.id] = row.uid or ""
        return done

    def happen(self, what: str, about: Any) -> None:
        """Perform an action, or nothing where it is impossible."""
        kube, space = self.kube, self.namespace
        if what == "look":
            self.look(*about)
        elif what in {"cancel", "remove"}:
            rows = [row for row in self.rows() if row.removed is None and row.owner_id is not None]
            if about < len(rows):
                self.mark(rows[about].id, what)
        elif what == "ask":
            with suppress(Conflict):
                self.submit(about)
        elif what in {"apply", "steal"}:
            rows = self.rows(about)
            claimed = {ANNOTATION_ROW: str(rows[0].id)} if rows and what == "steal" else {}
            if kube.request(space, about) is None:
                self.applied.add(kube.apply(space, about, SPEC, annotations=claimed)["metadata"]["uid"])
        elif (found := kube.request(space, about)) is not None:
            if what == "run" and found.get("status", {}).get("phase") == "Succeeded":
                return  # the operator does not restart a published request
            self.ended |= {found["metadata"]["uid"]} if what in {"delete", "stop"} else set()
            happens: dict[str, Callable[[], None]] = {
                "delete": lambda: kube.delete(space, about),
                "stop": lambda: kube.patch(space, about, cancel=True),
                "suspend": lambda: kube.patch(space, about, suspend=True),
                "run": lambda: self.set_status(about, RUNNING),
                "finish": lambda: self._finish(about),
            }
            happens[what]()

    def _finish(self, name: str) -> None:
        self.publish(name, self.kube.request(self.namespace, name)["metadata"]["uid"])
        self.set_status(name, DONE)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happenings=st.lists(st.one_of(PEOPLE, LOSSES), min_size=3, max_size=14))
@example(happenings=[("apply", "a"), ("finish", "a"), ("delete", "a")])
@example(happenings=[("apply", "a"), ("finish", "a"), ("run", "a")])
@example(happenings=[("ask", "a"), ("look", (0, "after")), ("remove", 0), ("look", (1, ""))])
def test_any_sequence_of_losses_converges(
    kube: KubeServer,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    happenings: list[tuple[str, Any]],
):
    monkeypatch.setattr("mosaic_api.sync.decide.LINGERING", timedelta(0))
    namespace = f"test-{uuid.uuid4().hex[:12]}"
    kube.add_namespace(namespace)
    world = Stepped(
        kube,
        database,
        replace(settings, namespace=namespace, store=f"{settings.store}/{namespace}", max_open_requests=10**6),
    )
    for what, about in happenings:
        world.happen(what, about)
    removed_ids = {row.id for row in world.rows() if row.removed}
    for _ in range(12):
        if not world.look():
            break
    else:
        pytest.fail("the sync does not converge")

    rows = world.rows()
    there = kube.requests(namespace)
    by_uid = {each["metadata"]["uid"]: each for each in there.values()}
    current = [row for row in rows if row.gone is None]
    assert not {row.id for row in rows} & removed_ids, "removed rows are deleted"
    assert sorted(row.uid for row in current if row.uid) == sorted(by_uid), "each request has one row"
    for row in current:
        if row.uid is None:
            assert row.phase == "Cancelled", "every row that was not cancelled was applied"
            continue
        request = by_uid[row.uid]
        assert request["metadata"]["name"] == row.name
        assert row.status == {"phase": "Pending"} | request.get("status", {})
        assert row.cancelled is None or row.over or request["spec"]["execution"]["cancel"]
    for row in rows:
        assert row.origin == "api" or row.uid in world.applied, "only requests applied with kubectl appear"
        assert row.phase != "Cancelled" or row.cancelled or row.uid in world.ended, (
            "requests are only cancelled by an action"
        )
        assert row.over or row.gone is None, "rows without a request have finished"
        assert row.phase != "Succeeded" or row.item, "published rows have their Item"
    heard_of = set(world.known.values())  # results of requests deleted before the sync saw them remain
    published = {key.split("/")[3] for key in world.files()} & heard_of
    assert published == {row.uid for row in rows if row.phase == "Succeeded"}, "results exist as long as their rows"
