"""A synthetic scene as a Sentinel-2 product: a .SAFE folder, or its zip, laid out as ESA does since December 2016."""

import json
import zipfile
from pathlib import Path
from typing import Any, Literal

_METRES = {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B11": 20, "SCL": 20}
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of all files in a zip, so that the same scene gives the same bytes."""


def write_safe(item: Path, target: Path, level: Literal["L1C", "L2A"] = "L2A", *, deflated: bool = False) -> Path:
    """Write the product of a scene that `write_scenes` made.

    Args:
        item: the path of the scene's STAC Item.
        target: the product's folder; or its zip, if it ends with .zip.
        level: of the layout; the numbers are the same.
        deflated: whether a zip's files are compressed, and not stored as they are.
    """
    described = json.loads(item.read_text())
    name = f"{described['id']}.SAFE"
    images = {_place(described, band, level): item.with_name(f"{band}.jp2") for band in _METRES}
    if level == "L1C":
        del images[_place(described, "SCL", level)]
    files = {f"MTD_MSI{level}.xml": _metadata(described, name, level).encode()}
    files |= {place: path.read_bytes() for place, path in images.items()}
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            for place, content in files.items():
                entry = zipfile.ZipInfo(f"{name}/{place}", _EARLIEST)
                archive.writestr(entry, content, zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED)
    else:
        for place, content in files.items():
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            (target / place).write_bytes(content)
    return target


def _place(described: dict[str, Any], band: str, level: str) -> str:
    moment = described["properties"]["datetime"].replace("-", "").replace(":", "")[:15]
    folder = f"GRANULE/{level}_T00XXX_A000000_{moment}/IMG_DATA"
    if level == "L1C":
        return f"{folder}/T00XXX_{moment}_{band}.jp2"
    return f"{folder}/R{_METRES[band]}m/T00XXX_{moment}_{band}_{_METRES[band]}m.jp2"


def _metadata(described: dict[str, Any], name: str, level: str) -> str:
    """The parts of a product's metadata that say how its numbers are read, and where it is, of baseline 05.10."""
    number = level[1:]
    quantification, offset, offsets = {
        "L1C": ("QUANTIFICATION_VALUE", "RADIO_ADD_OFFSET", "Radiometric_Offset_List"),
        "L2A": ("BOA_QUANTIFICATION_VALUE", "BOA_ADD_OFFSET", "BOA_ADD_OFFSET_VALUES_LIST"),
    }[level]
    corners = " ".join(f"{latitude} {longitude}" for longitude, latitude in described["geometry"]["coordinates"][0])
    listed = "".join(f'<{offset} band_id="{band}">-1000</{offset}>' for band in range(13))
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-{number}_User_Product xmlns:n1="https://psd-15.sentinel2.eo.esa.int/PSD/User_Product_Level-{number}.xsd">
  <!-- {described["properties"]["title"]} -->
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>{described["properties"]["datetime"]}</PRODUCT_START_TIME>
      <PRODUCT_URI>{name}</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-{number}</PROCESSING_LEVEL>
      <PROCESSING_BASELINE>05.10</PROCESSING_BASELINE>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <{quantification} unit="none">10000</{quantification}>
      <{offsets}>{listed}</{offsets}>
    </Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Product_Footprint><Product_Footprint><Global_Footprint>
      <EXT_POS_LIST>{corners}</EXT_POS_LIST>
    </Global_Footprint></Product_Footprint></Product_Footprint>
  </n1:Geometric_Info>
  <n1:Quality_Indicators_Info>
    <Cloud_Coverage_Assessment>{described["properties"]["eo:cloud_cover"]}</Cloud_Coverage_Assessment>
  </n1:Quality_Indicators_Info>
</n1:Level-{number}_User_Product>
"""
