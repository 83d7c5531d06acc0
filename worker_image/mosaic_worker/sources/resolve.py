"""From what a request names to scenes whose headers are read. Each kind of source is a module beside this one."""

from mosaic_crds.errors import RequestError
from mosaic_crds.source import Source
from mosaic_crds.spec import MosaicRequestSpec

from mosaic_worker.sources.files import files_scenes, files_signer
from mosaic_worker.sources.gate import Gate
from mosaic_worker.sources.scenes import Scene
from mosaic_worker.sources.signing import Signer


def resolve(spec: MosaicRequestSpec, bands: tuple[str, ...], gate: Gate) -> list[Scene]:
    """The scenes of a request, in its order, each with the bands that the product needs and, if asked for, its mask.

    Raises:
        RequestError: a scene cannot be used, or the source is of a kind that this version cannot read.
        PassingError: a server did not answer.
    """
    if spec.source.files is not None:
        return files_scenes(spec.source.files, bands, spec.composite.mask, gate, signer_of(spec.source, gate))
    kind = "stac" if spec.source.stac is not None else "earthDaily"
    raise RequestError(f"spec.source.{kind}: this version reads spec.source.files only")


def signer_of(source: Source, gate: Gate) -> Signer:
    """What signs the URLs of a source; plans hold them unsigned."""
    return Signer() if source.files is None else files_signer(source.files, gate)
