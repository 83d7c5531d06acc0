"""Selects the class for a kind of source. Classes are imported on use, because catalogue clients are slow to import."""

from collections.abc import Sequence

from mosaic_crds.source import Source
from mosaic_crds.spec import MosaicRequestSpec

from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.http.signed_urls import JoinedSigner, Signer
from mosaic_worker.sources.kinds.base import SceneSource
from mosaic_worker.sources.scenes import Scene


def source_of(source: Source, gate: Gate, where: str | None = None) -> SceneSource:
    """The object for a source.

    Args:
        source: the source.
        gate: what may be read.
        where: the field of the request that describes it, for messages; that of `spec.source` if None.
    """
    where = where or f"spec.source.{source.kind.key}"
    if source.files is not None:
        from mosaic_worker.sources.kinds.files import FilesSource

        return FilesSource(gate, source.on_unreadable, where, source.files)
    if source.stac is not None:
        from mosaic_worker.sources.kinds.stac import StacSource

        return StacSource(gate, source.on_unreadable, where, source.stac)
    if source.earth_daily is not None:
        from mosaic_worker.sources.kinds.earth_daily import EarthDailySource

        return EarthDailySource(gate, source.on_unreadable, where, source.earth_daily)
    raise ValueError("a source has exactly one kind")


def sources_of(spec: MosaicRequestSpec, gate: Gate) -> list[SceneSource]:
    """The objects for `spec.source` and, if the request has it, for `spec.minus`."""
    found = [source_of(spec.source, gate)]
    other = spec.subtracted_source
    if spec.minus is not None and other is not None:
        field = other.kind.key if spec.minus.datetime is None else "datetime"
        found.append(source_of(other, gate, f"spec.minus.{field}"))
    return found


def signer_of(spec: MosaicRequestSpec, gate: Gate, sides: Sequence[Sequence[Scene]]) -> Signer:
    """Signs the URLs of the files of a request.

    Two sources of one server have one signer, because the server may limit the connections of an account.

    Args:
        spec: the request.
        gate: what may be read.
        sides: the scenes in the plan of each of `sources_of`.
    """
    sources = sources_of(spec, gate)
    if len({_server(source) or number for number, source in enumerate(spec.sources)}) == 1:
        return sources[0].signer([scene for scenes in sides for scene in scenes])
    hrefs = [[href for scene in scenes for href in scene.hrefs] for scenes in sides]
    signers = [source.signer(scenes) for source, scenes in zip(sources, sides, strict=True)]
    return JoinedSigner(list(zip(signers, hrefs, strict=True)))


def _server(source: Source) -> str | None:
    """What distinguishes the server of a source; None for files, which can be on any."""
    if source.stac is not None:
        return source.stac.url
    return None if source.earth_daily is None else source.kind.key
