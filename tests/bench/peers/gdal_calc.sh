#!/usr/bin/env bash
# NDSI with GDAL's own programs: gdal_calc.py, then a COG and a picture. Usage: gdal_calc.sh GREEN SWIR16 FOLDER
set -euo pipefail
export GDAL_NUM_THREADS=ALL_CPUS
formula='numpy.where((A==0)|(B==0),-9999,(A.astype(numpy.float32)-B)/(A.astype(numpy.float32)+B))'
gdal_calc.py --quiet -A "$1" -B "$2" --calc="$formula" --type=Float32 --NoDataValue=-9999 --outfile="$3/calc.tif" \
  --co TILED=YES --co BLOCKXSIZE=512 --co BLOCKYSIZE=512 --co BIGTIFF=IF_SAFER --overwrite
gdal_translate -q -of COG -co COMPRESS=ZSTD -co LEVEL=1 -co PREDICTOR=YES -co BIGTIFF=IF_SAFER "$3/calc.tif" "$3/mosaic.tif"
rm "$3/calc.tif"
if [ "${PICTURE:-yes}" = yes ]; then
  gdal_translate -q -of PNG -ot Byte -scale -1 1 1 255 -co ZLEVEL=1 "$3/mosaic.tif" "$3/mosaic.png"
fi
