"""`python -m mosaic_worker plan|tiles|finalize|sweep`: the command of pods; see `pod`."""

import os
import sys

from mosaic_worker.memory import importing

with importing():
    from mosaic_worker.pod import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
