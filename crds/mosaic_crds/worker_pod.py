"""The contract between the operator and a worker image: everything a pod receives and returns.

A request keeps the image that planned it, so an operator also starts images of earlier releases. Within an API version
names and meanings therefore stay the same. A new variable or field is optional; its default is what earlier releases
did (docs/decisions/0036-a-request-keeps-its-image.md).

- Argument: the step. Answer: the exit code (mosaic_crds.errors) and the termination message, JSON whose content for
  `plan` is mosaic_crds.status.PlanSummary, with RESULT if the pod has also published the mosaic, for `finalize`
  mosaic_crds.status.ResultStatus or TILES_LEFT, and after a failure {"message": …}.
- Environment: the variables below; credentials come from Secrets under the names that their services use.
- Files: the input at FOLDER/FILE; the store, if it is a volume; /tmp. Everything else is read-only.

The input is a file in a Secret for two reasons. Kubernetes expands $(NAME) in environment values, arguments and
commands, so a user could read any variable of the pod. And Linux limits an environment string to 128 KiB.
"""

import gzip
import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from mosaic_crds.errors import RequestError

WORKER_CONTAINER = "worker"
"""The container of every step's pods."""
FOLDER = "/input"
"""Where the Secret is mounted."""
FILE = "input.json.gz"
"""The file in it."""
ENV_INPUT = "MOSAIC_INPUT"
"""The path of that file."""
ENV_INPUT_DIGEST = "MOSAIC_INPUT_SHA256"
"""The SHA-256 of that file."""
ENV_STORE = "MOSAIC_STORE"
"""The URI of the store."""
ENV_ALLOWED_HOSTS = "MOSAIC_ALLOWED_HOSTS"
"""The hosts that scenes may be read from."""
ENV_MAX_PIXELS = "MOSAIC_MAX_PIXELS"
"""The largest mosaic."""
ENV_MAX_SCENES = "MOSAIC_MAX_SCENES"
"""The most scenes that a search may find."""
ENV_RANGE_SECONDS = "MOSAIC_RANGE_SECONDS"
"""Minimum work of a pod of tiles, core-seconds."""
ENV_SHARED_BYTES = "MOSAIC_SHARED_BYTES"
"""The size of the tiles that requests share, of all namespaces together; 0, the default, for none."""
ENV_INLINE_SECONDS = "MOSAIC_INLINE_SECONDS"
"""Core-seconds up to which the pod of a plan also computes and publishes the mosaic; 0, the default, for never."""
ENV_PARALLELISM = "MOSAIC_PARALLELISM"
"""The most parallel pods of a request."""
ENV_COMPLETION_INDEX = "JOB_COMPLETION_INDEX"
"""The range; Kubernetes sets it in the pods of an Indexed Job."""
SOURCES_PREFIX = "MOSAIC_SOURCES_"
"""Prefix of the AWS_… variables of the account that reads scenes from S3 buckets; without it they are the store's."""
ENV_STORE_PATIENCE = "MOSAIC_STORE_PATIENCE"
"""Seconds for which a call to an unreachable store is retried; set by administrators (worker.env of the chart)."""
ENV_SCRATCH_BYTES = "MOSAIC_SCRATCH_BYTES"
"""Bytes of remote files that a worker may keep on its disk; set by administrators."""
ENV_TERMINATION_LOG = "MOSAIC_TERMINATION_LOG"
"""Another file for the termination message; set by tests."""
TILES_LEFT = "tilesLeft"
"""Key in the answer of a finalize pod that cannot publish yet: how many tiles must be recomputed."""


RESULT = "result"
"""Key in the answer of a plan pod that has published the mosaic: mosaic_crds.status.ResultStatus. If an earlier pod of
the same Job has published it and its plan is swept, the answer has nothing else."""


class Step(StrEnum):
    """What a pod is started for; the argument of its command."""

    PLAN = "plan"
    TILES = "tiles"
    FINALIZE = "finalize"
    SWEEP = "sweep"


@dataclass(frozen=True)
class PodInput:
    """A packed document.

    Attributes:
        content: the document as JSON, compressed with gzip.
    """

    content: bytes

    @classmethod
    def of(cls, document: Any) -> Self:
        """Pack a document; the same document always results in the same bytes."""
        text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return cls(gzip.compress(text.encode(errors="surrogatepass"), compresslevel=6, mtime=0))

    @property
    def digest(self) -> str:
        """The SHA-256 of the content. The pod also gets it in its environment, so the Secret cannot be exchanged."""
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
                "the Secret of this pod was changed after the operator created it; "
                "delete the request, apply it again, and check who else can write Secrets in this namespace"
            )
        return json.loads(gzip.decompress(self.content).decode(errors="surrogatepass"))
