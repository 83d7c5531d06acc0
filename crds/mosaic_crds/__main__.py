"""`python -m mosaic_crds` prints the CustomResourceDefinition; `make generate` keeps it in crds/mosaicrequest.yaml."""

import sys

import yaml

from mosaic_crds.crd import custom_resource_definition

sys.stdout.write("# Rendered from the models in mosaic_crds by `make generate`; change those.\n")
yaml.safe_dump(custom_resource_definition(), sys.stdout, sort_keys=False, width=110)
