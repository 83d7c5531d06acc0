"""The executor with a real database and real mosaics: its results, and its behaviour under failures."""

import json
import os
import shutil
import signal
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from mosaic_api.database import Database, Request
from mosaic_api.executor.queue import Queue
from mosaic_api.executor.rows import LEASE_SECONDS
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_api.settings import Settings
from mosaic_crds.status import MosaicRequestStatus
from sqlalchemy import extract, func, select, update

from support.api.executors import (
    Rows,
    all_below,
    children,
    executor,
    files_in,
    fork_servers,
    is_running,
    spec_of,
    stop,
    until,
)
from support.servers.range_server import serving


def test_processes_a_request_and_reports_the_status_of_a_mosaicrequest(rows, settings, serve):
    address = serve(0.1)
    row = rows.submit(spec_of(f"http://{address}"), "snow")
    with executor(replace(settings, allowed_hosts=address)):
        running = rows.until_tiles(row)
        assert running.phase == "Running"
        assert running.worker
        assert running.uid == str(row)
        assert running.status["plan"]["tiles"] == running.status["progress"]["rangesTotal"] == 12
        assert running.status["message"].endswith("of 12 tiles done")
        assert running.status["progress"]["etaSeconds"] >= 0
        done = rows.until_over(row)
    assert (done.phase, done.worker, done.lease_until) == ("Succeeded", None, None)
    MosaicRequestStatus.model_validate(done.status)
    result = done.status["result"]
    assert done.status["message"] == f"Published {result['cog']}"
    assert Path(result["cog"].removeprefix("file://")).is_file()
    assert result["statistics"]["validPercent"] == 100
    assert done.item["assets"]["mosaic"]["href"] == "./mosaic.tif"
    assert {Path(file).parent for file in files_in(settings)} == {Path(f"mosaics/default/snow/{row}")}
    assert done.started < done.completed


def test_an_impossible_request_fails_with_its_reason_and_is_not_retried(rows, settings, serve):
    address = serve(0)
    missing = rows.submit(spec_of(f"http://{address}/nowhere"))
    private = rows.submit(spec_of("http://127.0.0.1:1"))
    local = rows.submit(spec_of("/etc"))
    with executor(replace(settings, allowed_hosts=address)):
        for row, text in ((missing, "nowhere/green.tif"), (private, "is not among those"), (local, "is a local file")):
            failed = rows.until_over(row)
            assert (failed.phase, failed.attempts) == ("Failed", 1)
            assert text in failed.status["message"]
    assert files_in(settings) == []


def test_another_executor_continues_the_request_of_a_killed_one(rows, settings, serve, database):
    slow = replace(settings, allowed_hosts=(address := serve(0.5)))
    row = rows.submit(spec_of(f"http://{address}"), "snow")
    with executor(slow) as first:
        rows.until_tiles(row, 2)
        below = children(first.pid)
        assert len(below) >= 3
        stop(first, signal.SIGKILL)
        until(lambda: not any(is_running(process) for process in below), 10)
    assert rows.read(row).phase == "Running"
    records = {path: path.stat().st_mtime_ns for path in Path(settings.store).glob("work/*/records/*/*.json")}
    assert len(records) >= 2
    with database.transaction() as session:
        left = session.get_one(Request, row, with_for_update={"of": Request})
        assert timedelta(0) < left.lease_until - datetime.now(UTC) <= timedelta(seconds=LEASE_SECONDS)
        left.lease_until = func.now()  # as if half a minute had passed
    with executor(slow):
        taken = until(lambda: request if (request := rows.read(row)).attempts == 2 else None)
        assert taken.status["progress"]["rangesDone"] >= 2
        kept = {path: path.stat().st_mtime_ns for path in records if path.exists()}
        assert kept.items() <= records.items()
        done = rows.until_over(row)
    assert done.phase == "Succeeded"
    assert {Path(file).parent.name for file in files_in(settings)} == {str(row)}
    assert done.status["suspendedSeconds"] <= 60


def test_the_processes_of_a_killed_executor_end_while_they_wait(rows, settings, serve):
    address = serve(60)
    row = rows.submit(spec_of(f"http://{address}"))
    with executor(replace(settings, allowed_hosts=address)) as process:
        rows.until_phase(row, "Planning")
        below = until(lambda: found if len(found := children(process.pid)) >= 2 else None)
        stop(process, signal.SIGKILL)
        until(lambda: not any(is_running(each) for each in below), 10)


def test_a_stopping_executor_releases_its_request(rows, settings, serve):
    slow = replace(settings, allowed_hosts=(address := serve(0.5)))
    row = rows.submit(spec_of(f"http://{address}"))
    with executor(slow) as first:
        rows.until_tiles(row)
        below = children(first.pid)
        assert stop(first) == 0
        assert not any(is_running(process) for process in below)
    given = rows.read(row)
    assert (given.phase, given.worker, given.lease_until, given.attempts) == ("Pending", None, None, 0)
    assert given.status["message"] == "The worker was stopped; the request resumes where it was"
    with executor(slow):
        assert rows.until_over(row).phase == "Succeeded"


def test_an_executor_that_lost_its_lease_does_not_change_the_request(rows, settings, serve, database):
    address = serve(0.5)
    row = rows.submit(spec_of(f"http://{address}"))
    with executor(replace(settings, allowed_hosts=address)) as process:
        rows.until_tiles(row)
        with database.transaction() as session:
            request = session.get_one(Request, row, with_for_update={"of": Request})
            request.worker, request.lease_until = "another", func.now() + timedelta(minutes=5)
        until(lambda: not children(process.pid), 10)
        taken = rows.read(row)
        assert (taken.phase, taken.worker) == ("Running", "another")


def test_eight_concurrent_workers_claim_each_request_once(rows, database):
    submitted = {rows.submit(spec_of("https://example.org"), owner=f"user-{number % 3}") for number in range(6)}
    barrier, taken = Barrier(8), []

    def claim_all(number: int) -> None:
        queue = Queue(database, f"worker-{number}")
        barrier.wait()
        while (claim := queue.claim()) is not None:
            taken.append(claim.id)

    for _ in range(5):
        threads = [Thread(target=claim_all, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == sorted(submitted)
        taken.clear()
        with database.transaction() as session:
            session.execute(update(Request).values(worker=None, lease_until=None, attempts=0))


def test_reports_renew_the_lease_and_checks_for_interruptions_do_not(rows, database):
    row, queue = rows.submit(spec_of("https://example.org")), Queue(database, "one")
    claim = queue.claim()

    def seconds_left() -> float:
        with database.transaction() as session:
            return float(session.scalar(select(extract("epoch", Request.lease_until - func.now()))))

    assert seconds_left() == pytest.approx(LEASE_SECONDS, abs=5)
    with database.transaction() as session:
        session.execute(update(Request).values(lease_until=func.now() + timedelta(seconds=1)))
    queue.interruption(row)
    assert seconds_left() <= 1
    queue.report(row, claim.status)
    assert seconds_left() == pytest.approx(LEASE_SECONDS, abs=5)


def test_owners_take_turns(rows, database):
    queue = Queue(database, "one")
    many = [rows.submit(spec_of("https://example.org"), owner="ann") for _ in range(3)]
    few = rows.submit(spec_of("https://example.org"), owner="bob")
    assert [queue.claim().id for _ in range(4)] == [many[0], few, *many[1:]]


def test_does_not_claim_requests_of_a_cluster(rows, database):
    row = rows.submit(spec_of("https://example.org"))
    with database.transaction() as session:
        session.execute(update(Request).values(origin="cluster"))
    assert Queue(database, "one").claim() is None
    assert rows.read(row).phase == "Pending"


@pytest.mark.parametrize("phase", ["Planning", "Running", "Finalizing"])
def test_a_cancelled_request_stops_immediately_and_leaves_no_files(rows, settings, serve, phase):
    address = serve({"Planning": 30, "Running": 0.5, "Finalizing": 0}[phase])
    row = rows.submit(spec_of(f"http://{address}"))
    with executor(replace(settings, allowed_hosts=address)) as process:
        rows.until_phase(row, phase)
        rows.cancel(row)
        over = rows.until_over(row, 10)
        if over.phase == "Succeeded":  # it finished before it could stop
            assert phase == "Finalizing"
            return
        assert over.phase == "Cancelled"
        assert over.status["message"].startswith("Cancelled")
        until(lambda: not children(process.pid), 10)
        assert process.poll() is None
    assert files_in(settings) == []


def test_cancels_a_waiting_request_while_another_runs(rows, settings, serve):
    address = serve(0.5)
    first, second = (rows.submit(spec_of(f"http://{address}"), name) for name in ("first", "second"))
    with executor(replace(settings, allowed_hosts=address)):
        rows.until_phase(first, "Running")
        rows.cancel(second)
        assert rows.until_over(second, 10).status["message"] == "Cancelled"
        assert not rows.read(first).over
        rows.cancel(first)


def test_small_requests_share_the_cores(rows, settings, serve):
    cores = len(os.sched_getaffinity(0))
    if cores == 1:
        pytest.skip("a request uses the only core")
    address = serve(1)
    area = {"bbox": [15.005, 45.13, 15.02, 45.145]}
    small = [rows.submit(spec_of(f"http://{address}", area=area), f"small-{number}") for number in range(cores + 1)]
    with executor(replace(settings, allowed_hosts=address)):
        until(lambda: [rows.read(row).worker is not None for row in small] == [*[True] * cores, False])
        for row in small:
            rows.cancel(row)


def test_a_request_fails_at_its_deadline(rows, settings, serve):
    address = serve(0.5)
    row = rows.submit(spec_of(f"http://{address}", execution={"deadline": "4s"}))
    with executor(replace(settings, allowed_hosts=address)) as process:
        failed = rows.until_over(row)
        assert failed.phase == "Failed"
        assert failed.status["message"].startswith("Not finished within 4s (execution.deadline)")
        until(lambda: not children(process.pid), 10)
    assert files_in(settings) == []


def test_removing_a_running_request_deletes_all_its_files(rows, settings, serve):
    address = serve(0.5)
    row = rows.submit(spec_of(f"http://{address}"))
    with executor(replace(settings, allowed_hosts=address)) as process:
        rows.until_tiles(row)
        assert files_in(settings)
        rows.remove(row)
        until(lambda: rows.gone(row), 10)
        assert not children(process.pid)
    assert files_in(settings) == []


def test_removing_a_finished_request_deletes_only_its_results(rows, settings, serve):
    address = serve(0)
    first, second = (rows.submit(spec_of(f"http://{address}"), name) for name in ("first", "second"))
    with executor(replace(settings, allowed_hosts=address)):
        for row in (first, second):
            assert rows.until_over(row).phase == "Succeeded"
        rows.remove(first)
        until(lambda: rows.gone(first), 10)
    assert {Path(file).parent.name for file in files_in(settings)} == {str(second)}


def test_a_suspended_request_starts_when_it_is_resumed(rows, settings, serve, database):
    address = serve(0)
    row = rows.submit(spec_of(f"http://{address}", execution={"suspend": True}))
    with executor(replace(settings, allowed_hosts=address)):
        suspended = rows.until_phase(row, "Suspended")
        assert (suspended.started, suspended.attempts) == (None, 0)
        with database.transaction() as session:
            request = session.get_one(Request, row)
            request.spec = request.spec | {"execution": {"suspend": False}}
        assert rows.until_over(row).phase == "Succeeded"


def test_work_continues_while_the_database_is_unavailable(tmp_path_factory, serve):
    place = Path("/tmp") / f"mosaic-executor-{os.getpid()}"  # a folder that the server's user can enter
    postgres = PrivatePostgres(place)
    try:
        url = postgres.start()
        database = Database(url)
        database.migrate()
        address = serve(0.5)
        store = tmp_path_factory.mktemp("store")
        settings = Settings(url, str(store), public_url="https://mosaics.example.org", allowed_hosts=address)
        rows = Rows(database, settings)
        row = rows.submit(spec_of(f"http://{address}"))
        with executor(settings) as process:
            rows.until_tiles(row)
            below = children(process.pid)
            os.kill(postgres.pid, signal.SIGKILL)
            postgres.start()
            database.close()
            done = rows.until_over(row)
            assert below & children(process.pid) or done.attempts == 1
        assert (done.phase, done.attempts) == ("Succeeded", 1)
        with database.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Request)) == 1
        database.close()
    finally:
        postgres.stop()
        shutil.rmtree(place)


def test_retries_while_the_store_is_unavailable(rows, settings, serve, tmp_path):
    address = serve(0)
    row = rows.submit(spec_of(f"http://{address}"))
    Path(settings.store).write_text("a file stands where the store's folder is to be")
    with executor(replace(settings, allowed_hosts=address)):
        waiting = until(lambda: request if (request := rows.read(row)).attempts and request.worker is None else None)
        assert waiting.phase == "Planning"
        assert "cannot be" in waiting.status["message"]
        assert "retrying in 5 s (attempt 2 of 5)" in waiting.status["message"]
        Path(settings.store).unlink()
        done = rows.until_over(row)
    assert (done.phase, done.attempts) == ("Succeeded", 2)


def test_processes_twenty_concurrent_requests(rows, settings, serve):
    address = serve(0)
    area = {"bbox": [15.005, 45.13, 15.02, 45.145]}
    submitted = [rows.submit(spec_of(f"http://{address}", area=area), owner=f"user-{n % 4}") for n in range(20)]
    with executor(replace(settings, allowed_hosts=address)), executor(replace(settings, allowed_hosts=address)):
        done = [rows.until_over(row, 120) for row in submitted]
    assert {(request.phase, request.attempts) for request in done} == {("Succeeded", 1)}
    assert len({Path(file).parent for file in files_in(settings)}) == 20
    assert not [file for file in files_in(settings) if file.startswith("work/")]


def test_names_that_the_database_refuses_fail_only_their_request(rows, settings, serve, bands_folder, tmp_path):
    bands = {name: {"href": f"./{name}.tif"} for name in ("green", "swir16")}
    assets = {name: band | {"eo:bands": [{"common_name": name}]} for name, band in bands.items()}
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "nul \0",
        "properties": {"datetime": "2024-07-01T00:00:00Z"},
        "assets": assets,
    }
    item |= {"geometry": None, "links": []}
    with ExitStack() as stack:
        for name in bands:
            (tmp_path / f"{name}.tif").hardlink_to(bands_folder / f"{name}.tif")
        (tmp_path / "item.json").write_text(json.dumps(item))
        address = stack.enter_context(serving(tmp_path))
        scene = {"item": f"http://{address}/item.json"}
        row = rows.submit({"source": {"files": {"scenes": [scene]}}, "product": {"index": "NDSI"}})
        process = stack.enter_context(executor(replace(settings, allowed_hosts=address)))
        over = rows.until_over(row)
        assert over.phase == "Failed", over.status
        assert "id: text must not contain NUL" in over.status["message"]
        assert process.poll() is None


def test_reports_a_full_store_and_keeps_finished_tiles(rows, settings, serve):
    store = Path(settings.store)
    store.mkdir()
    # Five parts fit, and two are written at a time: so some records exist when the store is full.
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", store]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        address = serve(0)
        row = rows.submit(spec_of(f"http://{address}"))
        with executor(replace(settings, allowed_hosts=address)):
            waiting = until(
                lambda: request if (request := rows.read(row)).attempts and request.worker is None else None
            )
            assert "is full; free some space and run again" in waiting.status["message"]
            kept = {path: path.stat().st_mtime_ns for path in store.glob("work/*/records/*/*.json")}
            assert kept
            subprocess.run(["mount", "-o", "remount,size=400m", store], check=True)
            running = until(lambda: request if (request := rows.read(row)).attempts == 2 else None)
            assert running.phase != "Failed"
            assert rows.until_over(row).phase == "Succeeded"
    finally:
        subprocess.run(["umount", store], check=True)


def test_reaps_dead_processes_as_the_first_process_of_a_container(rows, settings, serve):
    address = serve(0)
    row = rows.submit(spec_of(f"http://{address}"))
    with executor(replace(settings, allowed_hosts=address), as_subreaper=True) as process:
        assert rows.until_over(row).phase == "Succeeded"
        until(lambda: all_below(process.pid) == fork_servers(process.pid), 5)
