"""What a request leaves in the store."""

from dataclasses import dataclass

from mosaic_worker.results import Results
from mosaic_worker.store import open_store
from mosaic_worker.sweeping import sweep


@dataclass(frozen=True)
class Traces:
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
