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
from mosaic_api.database import Database, Dataset
from mosaic_api.database.models import now
from mosaic_api.datasets import crud
from mosaic_api.datasets.input_schemas import location_and_style
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Conflict, Forbidden, NotFound, Problem, TooMany

LEASE = timedelta(minutes=30)
"""After which another process takes over what one has begun."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=15)
"""Between two attempts, each twice as long as the one before."""
_PASSING = (PassingError, TokenRefused, Forbidden, TooMany)
"""What may be otherwise at the next attempt, without anybody here doing anything."""
_log = logging.getLogger(__name__)


def share(session: Session, settings: Settings, principal: Principal, dataset_id: uuid.UUID, shared: bool) -> Dataset:
    """Wish that a dataset is shared with the central installation, or no longer.

    Raises:
        NotConfigured: there is none.
        Forbidden: the principal may only look.
        NotFound: there is none of the principal's.
        Conflict: it came from there.
    """
    if not settings.central_url or not settings.central_token:
        raise NotConfigured
    dataset = crud.own(session, principal, dataset_id)
    if dataset.central_id is not None and not dataset.sharing:
        raise Conflict("the dataset was fetched from the central installation, where it is shared already")
    if shared or dataset.sharing:
        dataset.sharing = crud.waiting("share" if shared else "unshare")
        session.flush()
        action = "share with central" if shared else "unshare with central"
        audit(session, principal.user_id, action, f"dataset/{dataset.id}", name=dataset.name)
    return dataset


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
        while (dataset := self._claim()) is not None:
            beat()
            self._try(dataset)
            count += 1
        return count

    def _claim(self) -> Dataset | None:
        wish = Dataset.sharing["wish"].astext
        due = Dataset.sharing["next"].astext.cast(TIMESTAMP(timezone=True))
        with self.database.transaction() as session:
            dataset = session.scalar(
                select(Dataset)
                .where(
                    Dataset.sharing["state"].astext == "waiting",
                    due <= now(),
                    or_(Dataset.removed.is_(None), wish == "unshare"),
                )
                .order_by(due)
                .limit(1)
                .with_for_update(of=Dataset, skip_locked=True)
            )
            if dataset is not None:
                attempts = dataset.sharing["attempts"] + 1
                dataset.sharing = dataset.sharing | {"attempts": attempts, "next": (now() + LEASE).isoformat()}
            return dataset

    def _try(self, dataset: Dataset) -> None:
        claimed, central_id = dataset.sharing, dataset.central_id
        try:
            central = Central(self.settings)
            if claimed["wish"] == "share":
                central_id = self._share(central, dataset)
            else:
                if central_id is not None:
                    central.remove(central_id)
                central_id = None
            outcome = claimed | {"state": "done", "message": None, "next": None}
        except _PASSING as error:
            pause = min(FIRST_PAUSE * 2 ** min(claimed["attempts"] - 1, 20), LONGEST_PAUSE)
            outcome = claimed | {"message": str(error), "next": (now() + pause).isoformat()}
            _log.warning("dataset %s is not shared yet: %s", dataset.id, error)
        except Problem as error:
            outcome = claimed | {"state": "failed", "message": str(error), "next": None}
            _log.warning("dataset %s cannot be shared: %s", dataset.id, error)
        except Exception:  # the other datasets do not wait for this one
            message = "an unexpected error, which is in the log of this installation; it is tried again"
            outcome = claimed | {"message": message, "next": (now() + LONGEST_PAUSE).isoformat()}
            _log.exception("dataset %s is not shared yet", dataset.id)
        with self.database.transaction() as session:
            found = session.scalar(select(Dataset).where(Dataset.id == dataset.id).with_for_update(of=Dataset))
            if found is None:
                return
            found.central_id = central_id
            if found.sharing == claimed:  # else something else is wished meanwhile, which is done next
                found.sharing = {} if _is_over(outcome) else outcome
            elif claimed["wish"] == "share" and found.sharing.get("wish") != "share":
                found.sharing = crud.waiting("unshare")  # another process may have done so before it was there

    def _share(self, central: Central, dataset: Dataset) -> uuid.UUID:
        """Make a dataset there what it is here; its id there."""
        said = _said(dataset)
        if dataset.central_id is not None:
            try:
                central.change(dataset.central_id, {name: said[name] for name in said if name != "kind"})
                return dataset.central_id
            except NotFound:
                pass  # somebody deleted it there, and it is wished for again
        original = dataset.files.get("original")
        if original is None:
            told = central.upload(dataset.id, said, None)
        else:
            try:
                file = self.store.open(original["key"])
            except FileNotFoundError:
                raise NotFound("the file of this dataset is not in the store any more") from None
            fields = {name: str(value) for name, value in said.items()}
            with file:
                told = central.upload(dataset.id, fields, (original["name"], file, original["mediaType"]))
            theirs = told.files.get("original")
            if theirs is None or theirs.sha256 != original["sha256"]:
                raise PassingError("the file arrived damaged at the central installation")
        if any(getattr(told, name) != said[name] for name in ("name", "description", "shared")):
            central.change(told.id, {name: said[name] for name in said if name != "kind"})  # an older upload's
        return told.id


def _is_over(outcome: dict[str, Any]) -> bool:
    """Whether nothing is left to tell: it is shared no longer."""
    return (outcome["wish"], outcome["state"]) == ("unshare", "done")


def _said(dataset: Dataset) -> dict[str, Any]:
    """What is said of a dataset to the central installation."""
    said: dict[str, Any] = {
        "kind": dataset.kind,
        "name": dataset.name,
        "description": dataset.description,
        "creator": dataset.creator,
        "shared": True,
    }
    bounds = (dataset.west, dataset.south, dataset.east, dataset.north)
    return said | location_and_style(dataset.kind, bounds, dataset.details)
