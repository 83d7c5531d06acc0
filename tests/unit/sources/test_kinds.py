"""Kinds of source: the contract's table, its models and the worker's classes agree."""

from pathlib import Path

import pytest
from mosaic_crds.source import Source
from mosaic_crds.source_kinds import SOURCE_KINDS, SourceKind, kind_among
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.kinds.registry import source_of

EXAMPLES = {
    "files": {"scenes": [{"bands": {"red": "a.tif"}}]},
    "stac": {"url": "earth-search", "collection": "sentinel-2-l2a", "datetime": "2024-07-01"},
    "earthDaily": {"datetime": "2024-07-01"},
}


def test_the_table_of_kinds_contains_every_scene_field_of_a_source():
    assert {kind.field for kind in SOURCE_KINDS} == set(Source.model_fields) - {"on_unreadable"}
    assert {kind.key for kind in SOURCE_KINDS} == set(EXAMPLES)


@pytest.mark.parametrize("kind", SOURCE_KINDS, ids=lambda kind: kind.key)
def test_each_kind_has_a_class_in_the_module_of_its_name(kind: SourceKind):
    source = Source.model_validate({kind.key: EXAMPLES[kind.key]})
    found = source_of(source, own_machine(Path()))
    assert (source.kind, kind_among({kind.key, "onUnreadable"})) == (kind, kind)
    assert type(found).__module__ == f"mosaic_worker.sources.kinds.{kind.field}"


def test_a_source_of_a_newer_version_has_an_unknown_kind():
    assert kind_among({"onUnreadable", "later"}) is None
