"""The list of a mosaic's files."""

from typing import get_args

import pystac
from mosaic_crds.files import BY_NAME, COG, FILES, ITEM, PNG, FileKey
from mosaic_crds.spec import Output


def test_keys_names_and_titles_of_files_are_unique():
    assert list(FILES) == list(get_args(FileKey))
    assert len(BY_NAME) == len({file.title for file in FILES.values()}) == len(FILES)
    assert all(file.asset or file is ITEM for file in FILES.values())


def test_formats_and_media_types_match_the_list_of_files():
    assert Output().formats == [COG.key, PNG.key]
    assert (COG.media_type, PNG.media_type) == (pystac.MediaType.COG, pystac.MediaType.PNG)
    assert ITEM.media_type == pystac.MediaType.GEOJSON
