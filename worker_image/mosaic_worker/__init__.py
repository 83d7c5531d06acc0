"""The worker: computes a Cloud Optimized GeoTIFF, a picture and a STAC Item from a MosaicRequest."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy reads it on import: processes share the work, not threads
