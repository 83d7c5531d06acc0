"""Transactions lock the rows on which they decide: of two concurrent ones, the second sees what the first wrote."""

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
from support.api.installations import until, waits_for_lock

SPEC = {
    "area": {"bbox": [-127, 51, -126.9, 51.1]},
    "source": {"files": {"scenes": [{"bands": {"green": "https://example.org/a.tif"}}]}},
    "product": {"bands": ["green"]},
}


def test_concurrent_requests_do_not_exceed_the_limit(settings: Settings, database: Database, client: Client):
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


def test_one_of_two_administrators_who_disable_each_other_remains(database: Database):
    with database.transaction() as session:
        ann, bob = (named_user(session, name, "admin") for name in ("ann", "bob"))
    seen: list[Exception | None] = []

    def disable(changer: User, user_id: uuid.UUID) -> None:
        try:
            with database.transaction() as session:
                identity.change_user(session, principal_of(changer), user_id, None, True)
            seen.append(None)
        except Forbidden as error:
            seen.append(error)

    with database.transaction() as session:
        identity.change_user(session, principal_of(ann), bob.id, None, True)
        session.flush()
        other = threading.Thread(target=disable, args=(bob, ann.id))
        other.start()
        until(lambda: waits_for_lock(database))
    other.join()
    assert isinstance(seen[0], Forbidden)
    with database.transaction() as session:
        left = session.scalars(select(User.name).where(User.role == "admin", ~User.disabled)).all()
    assert left == ["ann"]
    with pytest.raises(Forbidden), database.transaction() as session:
        identity.change_user(session, principal_of(bob), ann.id, "viewer", None)
