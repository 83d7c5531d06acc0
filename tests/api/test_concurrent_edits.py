"""What is read, decided on and written, is locked in between: of two at once, one sees what the other did."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from mosaic_api.auth import identity
from mosaic_api.auth.identity import named_user, principal_of
from mosaic_api.database import Database, Request, User
from mosaic_api.requests import crud
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Forbidden, TooMany
from sqlalchemy import func, select

from support.api.clients import Client
from support.api.installations import somebody_waits, until

SPEC = {
    "area": {"bbox": [-127, 51, -126.9, 51.1]},
    "source": {"files": {"scenes": [{"bands": {"green": "https://example.org/a.tif"}}]}},
    "product": {"bands": ["green"]},
}


def test_requests_made_at_once_do_not_pass_the_limit_together(settings: Settings, database: Database, client: Client):
    client("ann")
    limited = replace(settings, max_open_requests=1)

    def make(number: int) -> bool:
        try:
            with database.transaction() as session:
                principal = principal_of(named_user(session, "ann"))
                crud.create(session, limited, principal, f"request-{number}", SPEC)
        except TooMany:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(make, range(8))) == 1
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Request)) == 1


def test_of_two_administrators_who_shut_each_other_out_one_is_left(database: Database):
    with database.transaction() as session:
        ann, bob = (named_user(session, name, "admin") for name in ("ann", "bob"))
    seen: list[Exception | None] = []

    def shut_out(changer: User, user_id: uuid.UUID) -> None:
        try:
            with database.transaction() as session:
                identity.change_user(session, principal_of(changer), user_id, None, True)
            seen.append(None)
        except Forbidden as error:
            seen.append(error)

    with database.transaction() as session:
        identity.change_user(session, principal_of(ann), bob.id, None, True)
        session.flush()
        other = threading.Thread(target=shut_out, args=(bob, ann.id))
        other.start()
        until(lambda: somebody_waits(database))
    other.join()
    assert isinstance(seen[0], Forbidden)
    with database.transaction() as session:
        left = session.scalars(select(User.name).where(User.role == "admin", ~User.disabled)).all()
    assert left == ["ann"]
    with pytest.raises(Forbidden), database.transaction() as session:
        identity.change_user(session, principal_of(bob), ann.id, "viewer", None)
