"""The contract between the parts of mosaic-operator: the MosaicRequest, its names, its errors."""

import os

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # else pydantic searches all installed packages for them
