"""The files of a published mosaic: their keys, names, types and titles."""

from dataclasses import dataclass
from typing import Literal

FileKey = Literal["cog", "png", "thumbnail", "item"]


@dataclass(frozen=True)
class ResultFile:
    """A file of a published mosaic.

    Attributes:
        key: in `spec.output.formats`, `status.result` and the REST API.
        name: in the folder of the mosaic.
        media_type: of its content.
        title: for people.
        asset: its key among the assets of the STAC Item; None for the Item itself.
        roles: of this asset.
        ending: what follows the mosaic's name in the name under which a browser saves it.
    """

    key: FileKey
    name: str
    media_type: str
    title: str
    asset: str | None
    roles: tuple[str, ...]
    ending: str

    @property
    def href(self) -> str:
        """The file as the Item beside it refers to it."""
        return f"./{self.name}"


COG = ResultFile(
    key="cog",
    name="mosaic.tif",
    media_type="image/tiff; application=geotiff; profile=cloud-optimized",
    title="COG (values)",
    asset="mosaic",
    roles=("data",),
    ending=".tif",
)
PNG = ResultFile(
    key="png",
    name="mosaic.png",
    media_type="image/png",
    title="PNG (picture)",
    asset="picture",
    roles=("overview", "visual"),
    ending=".png",
)
THUMBNAIL = ResultFile(
    key="thumbnail",
    name="thumbnail.png",
    media_type="image/png",
    title="Thumbnail",
    asset="thumbnail",
    roles=("thumbnail",),
    ending="-thumbnail.png",
)
ITEM = ResultFile(
    key="item",
    name="mosaic.json",
    media_type="application/geo+json",
    title="STAC Item",
    asset=None,
    roles=(),
    ending=".json",
)
FILES: dict[FileKey, ResultFile] = {file.key: file for file in (COG, PNG, THUMBNAIL, ITEM)}
BY_NAME = {file.name: file for file in FILES.values()}
