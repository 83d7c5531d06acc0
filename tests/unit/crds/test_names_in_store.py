"""Keys of a request's objects in a store."""

from mosaic_crds import names

DIGEST = "0123456789abcdef" * 4


def test_work_is_stored_under_the_uid_and_results_under_the_name():
    assert names.plan_key("u-1") == "work/u-1/plan.json"
    assert names.part_key("u-1", 7, DIGEST) == "work/u-1/tiles/7-0123456789abcdef.tif"
    assert names.record_key("u-1", 5, 7) == "work/u-1/records/5/7.json"
    assert names.group_records_key("u-1", 5) == "work/u-1/records/5/all.json"
    assert names.unreadable_key("u-1", 3) == "work/u-1/unreadable/3.json"
    assert names.result_key("ns", "ndsi", "u-1", "mosaic.tif") == "mosaics/ns/ndsi/u-1/mosaic.tif"


def test_all_work_is_in_one_folder_of_the_request():
    for key in (
        names.plan_key("u-1"),
        names.part_key("u-1", 7, DIGEST),
        names.record_key("u-1", 5, 7),
        names.unreadable_key("u-1", 3),
    ):
        assert key.startswith(names.work_prefix("u-1"))
        assert not key.startswith(names.work_prefix("u"))


def test_the_record_of_a_tile_depends_on_skipped_scenes_but_not_on_their_order():
    keys = [names.record_key("u-1", 5, 7, skipped) for skipped in ((), (1,), (1, 2), (12,), (2, 1))]
    assert keys[2] == keys[4]
    assert len(set(keys)) == 4
    assert all(len(key) < 100 for key in [*keys, names.record_key("u-1", 5, 7, range(500))])
