"""The list of a mosaic's files."""

from typing import get_args

import pystac
from mosaic_crds.files import BY_NAME, COG, FILES, ITEM, PNG, FileKey
from mosaic_crds.spec import Output


def test_each_file_has_a_key_a_name_and_a_title_of_its_own():
    assert list(FILES) == list(get_args(FileKey))
    assert len(BY_NAME) == len({file.title for file in FILES.values()}) == len(FILES)
    assert all(file.asset or file is ITEM for file in FILES.values())


def test_formats_of_a_request_and_media_types_of_stac_are_those_of_the_files():
    assert Output().formats == [COG.key, PNG.key]
    assert (COG.media_type, PNG.media_type) == (pystac.MediaType.COG, pystac.MediaType.PNG)
    assert ITEM.media_type == pystac.MediaType.GEOJSON
