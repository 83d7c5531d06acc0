"""`python -m mosaic_worker.isolation`: isolate this process, and print the mechanisms of this system."""

import os
import sys

from mosaic_worker.isolation import Rules, code_files, report, seal

sys.stdout.write(report(seal(Rules(code_files(os.environ), ()))) + "\n")
