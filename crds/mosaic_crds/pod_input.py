"""The document that a pod reads: packed by the operator into a Secret, mounted as a file, checked by the worker.

A file is used because Kubernetes expands $(NAME) in environment values, arguments and commands, so that a user could
read any variable of the pod, and because Linux accepts no environment string longer than 128 KiB.
"""

import gzip
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self

from mosaic_crds.errors import RequestError

FOLDER = "/input"
"""Where the Secret is mounted."""
FILE = "input.json.gz"
"""The file in it."""


@dataclass(frozen=True)
class PodInput:
    """A packed document.

    Attributes:
        content: the document as JSON, compressed with gzip.
    """

    content: bytes

    @classmethod
    def of(cls, document: Any) -> Self:
        """Pack a document; the same document always gives the same bytes."""
        text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return cls(gzip.compress(text.encode(errors="surrogatepass"), compresslevel=6, mtime=0))

    @property
    def digest(self) -> str:
        """The SHA-256 of the content. The pod gets it beside the Secret, so that nobody can exchange the Secret."""
        return hashlib.sha256(self.content).hexdigest()

    def unpack(self, digest: str) -> Any:
        """The document.

        Args:
            digest: of the content that the operator packed.

        Raises:
            RequestError: this is other content.
        """
        if self.digest != digest:
            raise RequestError(
                "the Secret that this pod mounts does not hold what the operator wrote; "
                "delete the request, apply it again, and see who else writes Secrets in this namespace"
            )
        return json.loads(gzip.decompress(self.content).decode(errors="surrogatepass"))
