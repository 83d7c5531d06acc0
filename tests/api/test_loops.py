"""Background loops continue after any error, and health checks report stuck and dead ones."""

import threading

import pytest
from fastapi.testclient import TestClient
from mosaic_api.app import create_app
from mosaic_api.background.loops import Beat, Loops
from mosaic_api.settings import Settings
from mosaic_crds.errors import PassingError, RequestError
from test_metrics import samples

from support.api.clients import Client
from support.api.executors import until


@pytest.fixture
def stop():
    event = threading.Event()
    yield event
    event.set()


def test_a_loop_continues_after_any_error(stop: threading.Event, caplog: pytest.LogCaptureFixture):
    loops, rounds = Loops(0.001, 0.002), []
    errors = [KeyError("files"), PassingError("the database is away"), MemoryError(), RecursionError()]

    def work(_: Beat) -> None:
        rounds.append(1)
        if len(rounds) <= len(errors):
            raise errors[len(rounds) - 1]
        stop.wait(0.01)

    loops.start("odd", work, stop)
    until(lambda: len(rounds) > len(errors) + 2)
    (loop,) = loops.all()
    assert (loop.failures, loop.trouble) == (len(errors), "")
    assert "odd: the database is away; trying again" in caplog.text
    assert "KeyError: 'files'" in caplog.text
    stop.set()
    until(lambda: not loops.all())


def test_a_loop_ends_on_the_errors_that_it_names(stop: threading.Event):
    def work(_: Beat) -> None:
        raise RequestError("another kind works here")

    loops = Loops()
    loops.start("ends", work, stop, ends=(RequestError,)).join(20)
    assert loops.troubles() == []
    with pytest.raises(RequestError):
        loops.run("ends", work, stop, ends=(RequestError,))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stuck_loop_and_a_dead_one_make_a_process_unready(settings: Settings, database, stop: threading.Event):
    loops = Loops()
    with TestClient(create_app(settings, loops), base_url=settings.public_url) as client:
        assert client.get("/readyz").status_code == 200

        def die(_: Beat) -> None:
            raise SystemExit

        loops.start("stuck", lambda _: stop.wait(), stop, silence=0.01)
        loops.start("dies", die, stop).join(20)
        answer = until(lambda: found if (found := client.get("/readyz")).text.count("stuck for") else None)
        assert answer.status_code == 503
        assert "the background loop 'dies' is dead" in answer.json()["detail"]
        found = samples(client)
        assert [found["mosaic_loop_up", name] for name in ("stuck", "dies", "news")] == [0, 0, 1]
        assert found["mosaic_loop_failures_total", "news"] == 0


def test_purging_and_sweeping_do_not_wait_for_the_outbox(settings: Settings, database, client: Client):
    here = client().app.state.context
    assert {"purge", "sweep", "news"} <= {loop.name for loop in here.loops.all()}
