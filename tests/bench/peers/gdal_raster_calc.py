"""NDSI with GDAL's `gdal raster calc` from Python, then a COG and a picture.

Usage: gdal_raster_calc.py [--picture] GREEN SWIR16 FOLDER
"""

import sys

from osgeo import gdal

*options, green, swir16, folder = sys.argv[1:]
gdal.UseExceptions()
gdal.SetConfigOption("GDAL_NUM_THREADS", "ALL_CPUS")
gdal.Run(
    "raster calc", input=[f"A=vrt://{green}?a_nodata=0", f"B=vrt://{swir16}?a_nodata=0"], dialect="builtin",
    calc="norm_diff", flatten=True, propagate_nodata=True, nodata="nan", output_data_type="Float32",
    output=f"{folder}/calc.tif", creation_option=["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "BIGTIFF=IF_SAFER"],
)  # fmt: skip
gdal.Run(
    "raster convert", input=f"{folder}/calc.tif", output=f"{folder}/mosaic.tif", output_format="COG",
    creation_option=["COMPRESS=ZSTD", "LEVEL=1", "PREDICTOR=YES", "BIGTIFF=IF_SAFER"],
)  # fmt: skip
gdal.Unlink(f"{folder}/calc.tif")
if "--picture" in options:
    gdal.Translate(
        f"{folder}/mosaic.png", f"{folder}/mosaic.tif", format="PNG", outputType=gdal.GDT_Byte,
        scaleParams=[[-1, 1, 1, 255]], creationOptions=["ZLEVEL=1"],
    )  # fmt: skip
