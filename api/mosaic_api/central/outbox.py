"""What is wished to be shared with the central installation, or no longer, worked off when that answers.

The wish is in the row, so that nothing is lost whatever is away or dies; every step may be done twice without harm.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mosaic_crds.errors import PassingError
from mosaic_worker.store import Store
from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Session

from mosaic_api.auth.identity import Principal, audit
from mosaic_api.background.loops import Beat
from mosaic_api.central.client import Central, NotConfigured, TokenRefused
from mosaic_api.database import Database, Entry
from mosaic_api.database.models import now
from mosaic_api.datasets import crud
from mosaic_api.datasets.input_schemas import place_and_look
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Conflict, Forbidden, NotFound, Problem, TooMany

LEASE = timedelta(minutes=30)
"""After which another process takes over what one has begun."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=15)
"""Between two attempts, each twice as long as the one before."""
_PASSING = (PassingError, TokenRefused, Forbidden, TooMany)
"""What may be otherwise at the next attempt, without anybody here doing anything."""
_log = logging.getLogger(__name__)


def share(session: Session, settings: Settings, principal: Principal, entry_id: uuid.UUID, shared: bool) -> Entry:
    """Wish that an entry is shared with the central installation, or no longer.

    Raises:
        NotConfigured: there is none.
        Forbidden: the principal may only look.
        NotFound: there is none of the principal's.
        Conflict: it came from there.
    """
    if not settings.central_url or not settings.central_token:
        raise NotConfigured
    entry = crud.own(session, principal, entry_id)
    if entry.central_id is not None and not entry.sharing:
        raise Conflict("the entry was fetched from the central installation, where it is shared already")
    if shared or entry.sharing:
        entry.sharing = crud.waiting("share" if shared else "unshare")
        session.flush()
        action = "share with central" if shared else "unshare with central"
        audit(session, principal.user_id, action, f"entry/{entry.id}", name=entry.name)
    return entry


@dataclass(frozen=True)
class Outbox:
    """Works off the wishes.

    Attributes:
        settings: that name the central installation.
        database: with the wishes.
        store: with the files.
    """

    settings: Settings
    database: Database
    store: Store

    def work_off(self, beat: Beat = lambda: None) -> int:
        """Do what is due; any number of processes may do it at once.

        Args:
            beat: called before each.

        Returns:
            How many wishes were tried.

        Raises:
            PassingError: the database does not answer.
        """
        count = 0
        while (entry := self._claim()) is not None:
            beat()
            self._try(entry)
            count += 1
        return count

    def _claim(self) -> Entry | None:
        wish = Entry.sharing["wish"].astext
        due = Entry.sharing["next"].astext.cast(TIMESTAMP(timezone=True))
        with self.database.transaction() as session:
            entry = session.scalar(
                select(Entry)
                .where(
                    Entry.sharing["state"].astext == "waiting",
                    due <= now(),
                    or_(Entry.removed.is_(None), wish == "unshare"),
                )
                .order_by(due)
                .limit(1)
                .with_for_update(of=Entry, skip_locked=True)
            )
            if entry is not None:
                attempts = entry.sharing["attempts"] + 1
                entry.sharing = entry.sharing | {"attempts": attempts, "next": (now() + LEASE).isoformat()}
            return entry

    def _try(self, entry: Entry) -> None:
        claimed, central_id = entry.sharing, entry.central_id
        try:
            central = Central(self.settings)
            if claimed["wish"] == "share":
                central_id = self._share(central, entry)
            else:
                if central_id is not None:
                    central.remove(central_id)
                central_id = None
            outcome = claimed | {"state": "done", "message": None, "next": None}
        except _PASSING as error:
            pause = min(FIRST_PAUSE * 2 ** min(claimed["attempts"] - 1, 20), LONGEST_PAUSE)
            outcome = claimed | {"message": str(error), "next": (now() + pause).isoformat()}
            _log.warning("entry %s is not shared yet: %s", entry.id, error)
        except Problem as error:
            outcome = claimed | {"state": "failed", "message": str(error), "next": None}
            _log.warning("entry %s cannot be shared: %s", entry.id, error)
        except Exception:  # the other entries do not wait for this one
            message = "an unexpected error, which is in the log of this installation; it is tried again"
            outcome = claimed | {"message": message, "next": (now() + LONGEST_PAUSE).isoformat()}
            _log.exception("entry %s is not shared yet", entry.id)
        with self.database.transaction() as session:
            found = session.scalar(select(Entry).where(Entry.id == entry.id).with_for_update(of=Entry))
            if found is None:
                return
            found.central_id = central_id
            if found.sharing == claimed:  # else something else is wished meanwhile, which is done next
                found.sharing = {} if _is_over(outcome) else outcome
            elif claimed["wish"] == "share" and found.sharing.get("wish") != "share":
                found.sharing = crud.waiting("unshare")  # another process may have done so before it was there

    def _share(self, central: Central, entry: Entry) -> uuid.UUID:
        """Make an entry there what it is here; its id there."""
        said = _said(entry)
        if entry.central_id is not None:
            try:
                central.change(entry.central_id, {name: said[name] for name in said if name != "kind"})
                return entry.central_id
            except NotFound:
                pass  # somebody deleted it there, and it is wished for again
        original = entry.files.get("original")
        if original is None:
            told = central.upload(entry.id, said, None)
        else:
            try:
                file = self.store.open(original["key"])
            except FileNotFoundError:
                raise NotFound("the file of this entry is not in the store any more") from None
            fields = {name: str(value) for name, value in said.items()}
            with file:
                told = central.upload(entry.id, fields, (original["name"], file, original["mediaType"]))
            theirs = told.files.get("original")
            if theirs is None or theirs.sha256 != original["sha256"]:
                raise PassingError("the file arrived damaged at the central installation")
        if any(getattr(told, name) != said[name] for name in ("name", "description", "shared")):
            central.change(told.id, {name: said[name] for name in said if name != "kind"})  # an older upload's
        return told.id


def _is_over(outcome: dict[str, Any]) -> bool:
    """Whether nothing is left to tell: it is shared no longer."""
    return (outcome["wish"], outcome["state"]) == ("unshare", "done")


def _said(entry: Entry) -> dict[str, Any]:
    """What is said of an entry to the central installation."""
    said: dict[str, Any] = {
        "kind": entry.kind,
        "name": entry.name,
        "description": entry.description,
        "creator": entry.creator,
        "shared": True,
    }
    bounds = (entry.west, entry.south, entry.east, entry.north)
    return said | place_and_look(entry.kind, bounds, entry.details)
