"""What a request leaves in the store."""

from dataclasses import dataclass
from datetime import timedelta

from mosaic_crds.fields import duration_seconds
from mosaic_crds.names import work_prefix
from mosaic_crds.spec import Execution
from mosaic_worker.finalize.results import Results
from mosaic_worker.store import open_store
from mosaic_worker.store.sweeping import sweep
from sqlalchemy.orm import Session

from mosaic_api.database import Request
from mosaic_api.database.models import now
from mosaic_api.datasets.orphans import mark_orphaned

LONGEST_SECONDS = 366 * 24 * 3600
"""For which a worker is thought to go on, whatever the deadline says."""


@dataclass(frozen=True)
class RequestFiles:
    """Its results and its unfinished work.

    Attributes:
        namespace, name, uid: of the request.
    """

    namespace: str
    name: str
    uid: str

    def delete(self, store_uri: str) -> None:
        """Delete them.

        Raises:
            PassingError: the store fails.
        """
        store = open_store(store_uri)
        Results(self.namespace, self.name, self.uid).delete(store)
        sweep(self.uid, store)


def write_down(session: Session, request: Request, *, results: bool) -> None:
    """Write down the folders of a request that is over, to be swept a day after its deadline.

    A worker that lost the request may go on writing until then, without the database; and when it hears of it, it may
    not reach the store to delete what it wrote.

    Args:
        session: the transaction in which the request ends.
        request: its row, with the uid.
        results: whether it ended without a mosaic, so that the folder of its results is to be empty, too.
    """
    if request.uid is None:
        return
    folders = [work_prefix(request.uid)]
    if results:
        folders.append(f"{Results(request.namespace, request.name, request.uid).folder}/")
    deadline = duration_seconds(request.spec.get("execution", {}).get("deadline", Execution().deadline))
    mark_orphaned(session, folders, now() + timedelta(seconds=min(deadline, LONGEST_SECONDS)))
