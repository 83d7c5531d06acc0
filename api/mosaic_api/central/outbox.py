"""Shares datasets with the central installation, or ends that, as soon as it answers.

The row stores what the user wants, so a crash loses nothing. Each step can be repeated.
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
from mosaic_api.auth.ownership import find_own
from mosaic_api.background.loops import Beat
from mosaic_api.central.client import Central, NotConfigured, TokenRefused
from mosaic_api.database import Database, Dataset
from mosaic_api.database.models import now
from mosaic_api.datasets import crud
from mosaic_api.datasets.schemas import location_and_style
from mosaic_api.settings import Settings
from mosaic_api.web.problems import Conflict, Forbidden, NotFound, Problem, TooMany

LEASE = timedelta(minutes=30)
"""After this time, another process takes over an attempt."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=15)
"""Between two attempts; doubled each time."""
_PASSING = (PassingError, TokenRefused, Forbidden, TooMany)
"""Errors that may pass without any action here."""
_log = logging.getLogger(__name__)


def share(session: Session, settings: Settings, principal: Principal, dataset_id: uuid.UUID, shared: bool) -> Dataset:
    """Request that a dataset is shared with the central installation, or no longer.

    Raises:
        NotConfigured: no central installation is configured.
        Forbidden: the principal may not change datasets.
        NotFound: the principal has no such dataset.
        Conflict: it was fetched from there.
    """
    if not settings.central_url or not settings.central_token:
        raise NotConfigured
    dataset = find_own(session, principal, Dataset, dataset_id)
    if dataset.central_id is not None and not dataset.sharing:
        raise Conflict("the dataset was fetched from the central installation, where it is already shared")
    if shared or dataset.sharing:
        dataset.sharing = crud.waiting("share" if shared else "unshare")
        session.flush()
        action = "share with central" if shared else "unshare with central"
        audit(session, principal.user_id, action, f"dataset/{dataset.id}", name=dataset.name)
    return dataset


@dataclass(frozen=True)
class Outbox:
    """Sends what is queued to the central installation."""

    settings: Settings
    database: Database
    store: Store

    def process(self, beat: Beat = lambda: None) -> int:
        """Process what is due, and return the number of attempts. Several processes may do this at the same time.

        `beat` is called before each attempt.
        """
        count = 0
        while (dataset := self._claim()) is not None:
            beat()
            self._try(dataset)
            count += 1
        return count

    def _claim(self) -> Dataset | None:
        action = Dataset.sharing["action"].astext
        due = Dataset.sharing["next"].astext.cast(TIMESTAMP(timezone=True))
        with self.database.transaction() as session:
            dataset = session.scalar(
                select(Dataset)
                .where(
                    Dataset.sharing["state"].astext == "waiting",
                    due <= now(),
                    or_(Dataset.removed.is_(None), action == "unshare"),
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
            if claimed["action"] == "share":
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
        except Exception:  # the other datasets must not wait for this one
            message = "unexpected error; details are in the log of this installation; it is tried again"
            outcome = claimed | {"message": message, "next": (now() + LONGEST_PAUSE).isoformat()}
            _log.exception("dataset %s is not shared yet", dataset.id)
        with self.database.transaction() as session:
            found = session.scalar(select(Dataset).where(Dataset.id == dataset.id).with_for_update(of=Dataset))
            if found is None:
                return
            found.central_id = central_id
            if found.sharing == claimed:  # otherwise the user changed it, and it is processed again
                found.sharing = {} if _is_over(outcome) else outcome
            elif claimed["action"] == "share" and found.sharing.get("action") != "share":
                found.sharing = crud.waiting("unshare")  # another process may have unshared it too early

    def _share(self, central: Central, dataset: Dataset) -> uuid.UUID:
        """Create or update a dataset there; return its id there."""
        fields = _fields_of(dataset)
        if dataset.central_id is not None:
            try:
                central.change(dataset.central_id, {name: fields[name] for name in fields if name != "kind"})
                return dataset.central_id
            except NotFound:
                pass  # somebody deleted it there; share it again
        original = dataset.files.get("original")
        if original is None:
            theirs = central.upload(dataset.id, fields, None)
        else:
            try:
                file = self.store.open(original["key"])
            except FileNotFoundError:
                raise NotFound("the file of this dataset is no longer in the store") from None
            form = {name: str(value) for name, value in fields.items()}
            with file:
                theirs = central.upload(dataset.id, form, (original["name"], file, original["mediaType"]))
            received = theirs.files.get("original")
            if received is None or received.sha256 != original["sha256"]:
                raise PassingError("the file arrived damaged at the central installation")
        if any(getattr(theirs, name) != fields[name] for name in ("name", "description", "shared")):
            # an earlier upload had other fields
            central.change(theirs.id, {name: fields[name] for name in fields if name != "kind"})
        return theirs.id


def _is_over(outcome: dict[str, Any]) -> bool:
    """Whether the dataset is no longer shared, so that there is nothing to report."""
    return (outcome["action"], outcome["state"]) == ("unshare", "done")


def _fields_of(dataset: Dataset) -> dict[str, Any]:
    """The fields of a dataset for the central installation."""
    fields: dict[str, Any] = {
        "kind": dataset.kind,
        "name": dataset.name,
        "description": dataset.description,
        "creator": dataset.creator,
        "shared": True,
    }
    bounds = (dataset.west, dataset.south, dataset.east, dataset.north)
    return fields | location_and_style(dataset.kind, bounds, dataset.details)
