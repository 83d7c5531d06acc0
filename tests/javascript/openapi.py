"""Print the OpenAPI document of the REST API, from which its types are generated."""

import json
import sys

from mosaic_api.app import create_app
from mosaic_api.settings import Settings

json.dump(create_app(Settings("postgresql+psycopg2://types@localhost/types", "file:///types")).openapi(), sys.stdout)
