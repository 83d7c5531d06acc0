"""JSON of the API server, however deep it is."""

import json

from mosaic_crds.json_input import ShallowDecoder


def read_json_of_any_depth() -> None:
    """Let `json.loads` of this process read what is nested too deeply for Python.

    kopf and aiohttp call it for each line of a watch, and take no other decoder. Where it raises RecursionError on one
    object, which anybody with a namespace may create, the watch of all objects ends.
    """
    json._default_decoder = ShallowDecoder()  # type: ignore[attr-defined]
