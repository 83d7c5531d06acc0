"""Sync of rows and MosaicRequests with a real API server and a real database, including outages of both."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from mosaic_api.auth.identity import named_user, principal_of
from mosaic_api.database import Audit, Database, Request
from mosaic_api.kube import client as kube_client
from mosaic_api.kube.client import ApiError, Cluster
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_api.requests import crud
from mosaic_api.settings import Settings
from mosaic_crds.names import ANNOTATION_ROW, LABEL_OWNER
from sqlalchemy import select, text

from support.api.kube_server import KubeServer, until
from support.api.sync_world import DONE, ITEM, RESULT, RUNNING, SPEC, World
from support.scenes.large_requests import largest_request


@pytest.fixture
def world(kube: KubeServer, database: Database, settings: Settings, tmp_path: Path) -> Iterator[World]:
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    kube.add_namespace(namespace)
    made = World(kube, database, replace(settings, namespace=namespace, cluster=True))
    yield made
    made.stop()


@pytest.fixture
def synced(world: World) -> World:
    world.start()
    return world


def test_a_row_becomes_a_request_and_knows_its_uid(synced: World):
    submitted = synced.submit("one")
    found = synced.requested("one")
    row = synced.wait_for(submitted, lambda row: row.uid)
    assert row.uid == found["metadata"]["uid"]
    assert found["metadata"]["annotations"] == {ANNOTATION_ROW: str(submitted)}
    assert found["metadata"]["labels"] == {LABEL_OWNER: str(row.owner_id)}
    assert "ann" not in found["metadata"]["labels"].values()
    assert found["metadata"]["managedFields"][0]["manager"] == "mosaic-api"
    assert found["metadata"]["managedFields"][0]["operation"] == "Apply"
    assert found["spec"]["area"] == SPEC["area"]
    assert found["spec"]["product"] == SPEC["product"]


def test_a_row_at_the_limits_of_the_contract_becomes_a_request(synced: World):
    spec = largest_request()["spec"]
    synced.submit("largest", **spec)
    assert synced.requested("largest")["spec"]["source"]["files"] == spec["source"]["files"]


def test_copies_the_status_into_the_row(synced: World):
    submitted = synced.submit("one")
    uid = synced.requested("one")["metadata"]["uid"]
    synced.set_status("one", RUNNING)
    row = synced.wait_for(submitted, lambda row: row.phase == "Running")
    assert row.status["message"] == RUNNING["message"]
    assert row.started.isoformat() == "2026-01-01T10:00:00+00:00"
    synced.publish("one", uid)
    synced.set_status("one", DONE)
    row = synced.wait_for(submitted, lambda row: row.phase == "Succeeded")
    assert row.item == ITEM  # in the same transaction
    assert row.completed.isoformat() == "2026-01-01T10:05:00+00:00"
    assert row.status["result"] == RESULT


def test_reads_the_item_later_if_it_is_not_available(synced: World):
    submitted = synced.submit("one")
    uid = synced.requested("one")["metadata"]["uid"]
    synced.set_status("one", DONE)
    assert synced.wait_for(submitted, lambda row: row.phase == "Succeeded").item is None
    synced.publish("one", uid)
    assert synced.wait_for(submitted, lambda row: row.item).item == ITEM


def test_adds_a_shared_row_for_a_request_applied_with_kubectl(synced: World):
    synced.kube.apply(synced.namespace, "by-kubectl", SPEC)
    row = synced.wait_for_row_of("by-kubectl")
    assert (row.origin, row.owner_id, row.shared, row.phase) == ("cluster", None, True, "Pending")
    assert row.spec["product"] == SPEC["product"]
    synced.set_status("by-kubectl", RUNNING)
    synced.wait_for(row.id, lambda row: row.phase == "Running")
    assert len(synced.rows()) == 1


@pytest.mark.parametrize("page", [1, 100])
def test_adds_rows_for_existing_requests(world: World, monkeypatch: pytest.MonkeyPatch, page: int):
    monkeypatch.setattr(kube_client, "PAGE", page)
    for number in range(3):
        world.kube.apply(world.namespace, f"old-{number}", SPEC)
    world.set_status("old-0", DONE)
    world.start()
    until(lambda: len(world.rows()) == 3, "all have rows")
    row = world.wait_for_row_of("old-0")
    assert row.completed.isoformat() == "2026-01-01T10:05:00+00:00"


def test_syncs_cancellation_in_both_directions(synced: World):
    here = synced.submit("here")
    there = synced.submit("there")
    for name in ("here", "there"):
        synced.requested(name)
    synced.mark(here, "cancel")
    until(lambda: synced.kube.request(synced.namespace, "here")["spec"]["execution"].get("cancel"), "it is cancelled")
    synced.kube.patch(synced.namespace, "there", cancel=True)
    assert synced.wait_for(there, lambda row: row.cancelled).phase == "Pending"
    synced.set_status("here", RUNNING | {"phase": "Cancelled", "message": "cancelled"})
    synced.wait_for(here, lambda row: row.phase == "Cancelled")


def test_never_applies_a_row_that_was_cancelled_before(world: World):
    submitted = world.submit("one")
    world.mark(submitted, "cancel")
    world.start()
    assert world.wait_for(submitted, lambda row: row.phase == "Cancelled").uid is None
    assert world.kube.requests(world.namespace) == {}


def test_copies_changes_of_the_execution_into_the_row(synced: World):
    submitted = synced.submit("one")
    synced.requested("one")
    synced.kube.patch(synced.namespace, "one", suspend=True, parallelism=3)
    row = synced.wait_for(submitted, lambda row: "execution" in row.spec)
    assert row.spec == SPEC | {"execution": {"parallelism": 3, "suspend": True}}
    synced.mark(submitted, "cancel")
    until(lambda: synced.kube.request(synced.namespace, "one")["spec"]["execution"].get("cancel"), "it is cancelled")
    assert synced.kube.request(synced.namespace, "one")["spec"]["execution"]["parallelism"] == 3


def test_removing_a_row_deletes_only_its_request_and_files(synced: World):
    removed, kept = synced.submit("removed"), synced.submit("kept")
    for name in ("removed", "kept"):
        synced.publish(name, synced.requested(name)["metadata"]["uid"])
        synced.set_status(name, DONE)
    for request_id in (removed, kept):
        synced.wait_for(request_id, lambda row: row.item)
    synced.mark(removed, "remove")
    synced.gone(removed)
    assert set(synced.kube.requests(synced.namespace)) == {"kept"}
    assert {key.split("/")[2] for key in synced.files()} == {"kept"}


def test_deletes_files_written_while_a_removed_request_ends(synced: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mosaic_api.sync.decide.LINGERING", timedelta(seconds=1.5))
    submitted = synced.submit("one")
    uid = synced.requested("one")["metadata"]["uid"]
    synced.set_status("one", RUNNING)
    synced.wait_for(submitted, lambda row: row.phase == "Running")
    synced.mark(submitted, "remove")
    until(lambda: synced.kube.request(synced.namespace, "one") is None, "it is deleted")
    synced.publish("one", uid)
    synced.gone(submitted)
    assert synced.files() == []


def test_a_name_is_available_as_soon_as_its_row_is_removed(synced: World):
    first = synced.submit("one")
    uid = synced.requested("one")["metadata"]["uid"]
    synced.mark(first, "remove")
    second = synced.submit("one")
    row = synced.wait_for(second, lambda row: row.uid)
    assert (row.name, row.uid != uid) == ("one", True)


def test_deleting_a_request_in_the_cluster_cancels_its_row(synced: World):
    submitted = synced.submit("one")
    synced.requested("one")
    synced.set_status("one", RUNNING)
    synced.wait_for(submitted, lambda row: row.phase == "Running")
    synced.kube.delete(synced.namespace, "one")
    row = synced.wait_for(submitted, lambda row: row.phase == "Cancelled")
    assert "deleted in the cluster" in row.status["message"]
    again = synced.submit("one")
    assert synced.wait_for(again, lambda row: row.uid).name == "one"


def test_keeps_a_published_mosaic_after_its_request_is_deleted(synced: World):
    submitted = synced.submit("one")
    synced.publish("one", synced.requested("one")["metadata"]["uid"])
    synced.set_status("one", DONE)
    before = synced.wait_for(submitted, lambda row: row.item)
    synced.kube.delete(synced.namespace, "one")
    after = synced.wait_for(submitted, lambda row: row.gone)
    assert (after.phase, after.item, after.uid) == ("Succeeded", ITEM, before.uid)
    synced.kube.apply(synced.namespace, "one", SPEC)  # another request of the same name gets another row
    until(lambda: len(synced.rows("one")) == 2, "there are two rows")
    assert len(synced.files()) == 2


def test_finds_a_mosaic_published_and_deleted_while_the_sync_was_stopped(world: World):
    submitted = world.submit("one")
    world.start()
    uid = world.requested("one")["metadata"]["uid"]
    world.wait_for(submitted, lambda row: row.uid)
    world.stop()
    world.publish("one", uid)
    world.kube.delete(world.namespace, "one")
    world.start()
    row = world.wait_for(submitted, lambda row: row.phase == "Succeeded")
    assert row.item == ITEM
    assert row.status["result"]["item"].endswith(f"/{uid}/mosaic.json")


def test_catches_up_with_all_changes_after_a_stop(world: World):
    world.start()
    ids = {name: world.submit(name) for name in ("stays", "cancelled", "deleted", "removed", "finished")}
    uids = {name: world.requested(name)["metadata"]["uid"] for name in ids}
    for request_id in ids.values():
        world.wait_for(request_id, lambda row: row.uid)
    world.stop()
    world.set_status("stays", RUNNING)
    world.mark(ids["cancelled"], "cancel")
    world.kube.delete(world.namespace, "deleted")
    world.mark(ids["removed"], "remove")
    world.publish("finished", uids["finished"])
    world.set_status("finished", DONE)
    ids["new"] = world.submit("new")
    world.kube.apply(world.namespace, "by-kubectl", SPEC)
    world.start()
    world.wait_for(ids["stays"], lambda row: row.phase == "Running")
    until(lambda: world.kube.request(world.namespace, "cancelled")["spec"]["execution"].get("cancel"), "cancelled")
    world.wait_for(ids["deleted"], lambda row: row.phase == "Cancelled")
    until(lambda: world.kube.request(world.namespace, "removed") is None, "removed")
    world.wait_for(ids["finished"], lambda row: row.item)
    world.wait_for(ids["new"], lambda row: row.uid)
    world.wait_for_row_of("by-kubectl")
    assert set(world.kube.requests(world.namespace)) == {"stays", "cancelled", "finished", "new", "by-kubectl"}


def test_recovers_from_a_crash_between_applying_and_recording(world: World):
    submitted = world.submit("one")
    applied = world.kube.apply(world.namespace, "one", SPEC, annotations={ANNOTATION_ROW: str(submitted)})
    world.start()
    assert world.wait_for(submitted, lambda row: row.uid).uid == applied["metadata"]["uid"]
    assert len(world.rows()) == 1


def test_renames_a_row_whose_name_is_in_use_in_the_cluster(world: World):
    submitted = world.submit("one")
    theirs = world.kube.apply(world.namespace, "one", SPEC | {"product": {"index": "NDSI"}})
    world.start()
    row = world.wait_for(submitted, lambda row: row.uid)
    assert row.name.startswith("one-")
    assert world.kube.request(world.namespace, row.name)["metadata"]["uid"] == row.uid
    assert world.wait_for_row_of("one").uid == theirs["metadata"]["uid"]
    assert world.kube.request(world.namespace, "one")["spec"]["product"] == {"index": "NDSI"}


def test_does_not_act_on_another_request_with_the_same_name(world: World):
    """Between reading the cluster and acting, a request may be deleted and applied again."""
    cluster = Cluster(world.kube.configuration, world.namespace)
    world.kube.apply(world.namespace, "one", SPEC)
    former = world.requested("one")["metadata"]["uid"]
    world.kube.delete(world.namespace, "one")
    world.kube.apply(world.namespace, "one", SPEC)
    uid = world.requested("one")["metadata"]["uid"]
    assert uid != former
    cluster.delete("one", former)
    with pytest.raises(ApiError):
        cluster.cancel("one", former)
    found = world.requested("one")
    assert (found["metadata"]["uid"], found["spec"].get("execution", {}).get("cancel", False)) == (uid, False)
    cluster.cancel("one", uid)
    assert world.requested("one")["spec"]["execution"]["cancel"] is True
    cluster.delete("one", uid)
    until(lambda: world.kube.request(world.namespace, "one") is None, "it is gone")


def test_fails_with_the_message_of_the_cluster_that_rejects_a_request(synced: World):
    with synced.database.transaction() as session:
        bad = Request(id=uuid.uuid4(), namespace=synced.namespace, name="bad", spec=SPEC | {"product": {}}, status={})
        session.add(bad)
    row = synced.wait_for(bad.id, lambda row: row.phase == "Failed")
    assert "The cluster rejects the request: " in row.status["message"]
    assert "spec.product" in row.status["message"]
    with synced.database.transaction() as session:
        crud.remove(session, principal_of(named_user(session, "eve", "admin")), bad.id)
    synced.gone(bad.id)


def test_applies_all_requests_again_after_the_crd_was_deleted(synced: World):
    ids = {name: synced.submit(name) for name in ("running", "done")}
    uids = {name: synced.requested(name)["metadata"]["uid"] for name in ids}
    synced.kube.apply(synced.namespace, "by-kubectl", SPEC)
    theirs = synced.wait_for_row_of("by-kubectl")
    synced.set_status("running", RUNNING)
    synced.publish("done", uids["done"])
    synced.set_status("done", DONE)
    synced.wait_for(ids["running"], lambda row: row.phase == "Running")
    synced.wait_for(ids["done"], lambda row: row.item)
    synced.kube.uninstall()
    try:
        waiting = synced.submit("waiting")
        row = synced.wait_for(waiting, lambda row: row.status.get("message"))
        assert "has no MosaicRequests" in row.status["message"]
        assert synced.row(ids["running"]).phase == "Running"
        assert synced.row(theirs.id).phase == "Pending"
    finally:
        synced.kube.install()
    for request_id, before in ((ids["running"], uids["running"]), (theirs.id, theirs.uid), (waiting, None)):
        row = synced.wait_for(request_id, lambda row, before=before: row.uid not in {None, before}, 60)
        assert row.phase == "Pending"
    assert set(synced.kube.requests(synced.namespace)) == {"running", "by-kubectl", "waiting"}
    done = synced.wait_for(ids["done"], lambda row: row.gone)
    assert (done.phase, done.uid, done.item) == ("Succeeded", uids["done"], ITEM)
    assert len(synced.rows()) == 4


def test_cancels_nothing_after_the_crd_was_reinstalled_during_a_stop(world: World):
    submitted = world.submit("one")
    world.start()
    uid = world.requested("one")["metadata"]["uid"]
    world.wait_for(submitted, lambda row: row.uid)
    world.stop()
    world.kube.uninstall()
    world.kube.install()
    world.start()
    assert world.wait_for(submitted, lambda row: row.uid not in {None, uid}).phase == "Pending"


def test_survives_an_outage_of_the_api_server(synced: World):
    before = synced.submit("before")
    synced.requested("before")
    synced.wait_for(before, lambda row: row.uid)
    synced.kube.kill()
    try:
        meanwhile = synced.submit("meanwhile")
        removed = synced.submit("removed")
        synced.mark(before, "cancel")
        synced.mark(removed, "remove")
        refused = "Waiting for the cluster: the API server does not respond"  # not that of the broken watch
        synced.wait_for(meanwhile, lambda row: row.status.get("message", "").startswith(refused))
    finally:
        synced.kube.start()
    synced.wait_for(meanwhile, lambda row: row.uid, 60)
    until(lambda: synced.kube.request(synced.namespace, "before")["spec"]["execution"].get("cancel"), "cancelled", 60)
    synced.gone(removed)
    assert set(synced.kube.requests(synced.namespace)) == {"before", "meanwhile"}


def test_survives_an_outage_of_the_database(synced: World, postgres: PrivatePostgres):
    submitted = synced.submit("one")
    synced.requested("one")
    synced.wait_for(submitted, lambda row: row.uid)
    postgres.stop()
    synced.set_status("one", RUNNING)
    synced.kube.apply(synced.namespace, "by-kubectl", SPEC)
    postgres.start()
    synced.wait_for(submitted, lambda row: row.phase == "Running", 60)
    synced.wait_for_row_of("by-kubectl")
    assert len(synced.rows()) == 2


def test_two_replicas_act_once_and_take_over_from_each_other(world: World):
    world.start()
    world.start()
    ids = [world.submit(f"m{number}") for number in range(20)]
    for request_id in ids:
        world.wait_for(request_id, lambda row: row.uid)
    for number in range(5):
        world.kube.apply(world.namespace, f"k{number}", SPEC)
    lock = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    with world.database.transaction() as session:
        assert session.execute(text(lock)).all() == [(True,)]
    ids += [world.submit(f"n{number}") for number in range(10)]
    for request_id in ids:
        world.wait_for(request_id, lambda row: row.uid)
    until(lambda: len(world.rows()) == 35, "all have rows")
    found = world.kube.requests(world.namespace)
    assert len(found) == 35
    assert {row.uid for row in world.rows()} == {each["metadata"]["uid"] for each in found.values()}
    world.stop()
    with world.database.transaction() as session:
        appeared = list(session.scalars(select(Audit.details["name"].astext).where(Audit.action == "appear")))
    assert sorted(appeared) == [f"k{number}" for number in range(5)]


def test_notices_changes_immediately(synced: World):
    synced.submit("first")
    synced.requested("first")
    began = time.monotonic()
    submitted = synced.submit("one")
    synced.requested("one")
    synced.set_status("one", RUNNING)
    synced.wait_for(submitted, lambda row: row.phase == "Running")
    assert time.monotonic() - began < 4, "not only at the next full pass"


def test_a_too_deeply_nested_request_does_not_hide_others(world: World):
    world.kube.apply_deep(world.namespace, "deep-before", SPEC, 5000)
    world.kube.apply(world.namespace, "good-before", SPEC)
    world.start()
    world.wait_for_row_of("good-before")
    world.kube.apply_deep(world.namespace, "deep-after", SPEC, 9000)
    world.kube.apply(world.namespace, "good-after", SPEC)
    world.wait_for_row_of("good-after")
    assert "..." in json.dumps(world.wait_for_row_of("deep-after").spec["source"]["stac"]["query"])
    world.wait_for_row_of("deep-before")
