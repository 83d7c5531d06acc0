"""`spec.minus`: the scenes of a second mosaic, which is subtracted."""

from mosaic_crds.fields import Interval, exactly_one
from mosaic_crds.source import Scenes, Source
from mosaic_crds.source_kinds import SOURCE_KINDS


class Minus(Scenes):
    """The scenes of the mosaic to subtract: exactly one of datetime, files, stac and earthDaily."""

    rules = (exactly_one("datetime", *(kind.field for kind in SOURCE_KINDS)),)

    datetime: Interval | None = None
    """The search of source at another date or time, or in another interval."""

    def source_beside(self, source: Source) -> Source:
        """The source of the scenes to subtract; unreadable scenes are treated as in `source`, that of the request."""
        if self.datetime is None:
            return source.model_copy(update={kind.field: getattr(self, kind.field) for kind in SOURCE_KINDS})
        search = getattr(source, source.kind.field)
        return source.model_copy(update={source.kind.field: search.model_copy(update={"datetime": self.datetime})})
