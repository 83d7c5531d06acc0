"""Pods on nodes that do not answer: no kubelet is left to say that they have ended."""

from collections.abc import Iterable
from datetime import datetime

from mosaic_operator.observed import PodState

LEFT_SECONDS = 15
"""A pod that should have gone so long ago is on such a node."""


def lost(pods: Iterable[PodState], now: datetime) -> list[str]:
    """The names of those that should have gone long ago.

    Args:
        pods: any.
        now: with a zone.
    """
    return [
        pod.name
        for pod in pods
        if pod.leaving_since is not None and (now - pod.leaving_since).total_seconds() > LEFT_SECONDS
    ]
