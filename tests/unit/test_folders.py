"""Find scenes in local folders."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from mosaic_worker.sources.access.gate import own_folders, pod
from mosaic_worker.sources.kinds.folders import scenes_below
from mosaic_worker.synthetic import write_scenes
from mosaic_worker.synthetic.safe import write_safe


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(write_scenes(tmp_path_factory.mktemp("made"), count=2, side=64))


@pytest.fixture
def folder(made: list[Path], tmp_path: Path) -> Path:
    """Two Items, a product as a folder and one as a zip, in nested folders."""
    for number, item in enumerate(made):
        place = tmp_path / "scenes" / str(number) / "item.json"
        place.parent.mkdir(parents=True)
        place.write_text(item.read_text())
    write_safe(made[0], tmp_path / "scenes" / "S2A.SAFE")
    write_safe(made[1], tmp_path / "scenes" / "0" / "S2B.SAFE.zip")
    return tmp_path / "scenes"


def found(folder: Path, **more) -> list[tuple[str, str]]:
    scenes = scenes_below(own_folders([folder]), **more).scenes
    return [(scene.kind, Path(scene.path).relative_to(folder).as_posix()) for scene in scenes]


def test_finds_items_and_products_at_any_depth(folder: Path):
    assert sorted(found(folder)) == [
        ("item", "0/item.json"), ("item", "1/item.json"), ("safe", "0/S2B.SAFE.zip"), ("safe", "S2A.SAFE"),
    ]  # fmt: skip


def test_lists_items_and_products_with_their_metadata(folder: Path, made: list[Path]):
    described = json.loads(made[1].read_text())
    scenes = scenes_below(own_folders([folder])).scenes
    same = [scene for scene in scenes if scene.id == described["id"]]
    assert {scene.kind for scene in same} == {"item", "safe"}
    for scene in same:
        assert scene.datetime == datetime.fromisoformat(described["properties"]["datetime"])
        assert scene.cloud_cover == described["properties"]["eo:cloud_cover"]
        assert scene.bbox == pytest.approx(described["bbox"])


def test_ignores_files_that_are_not_scenes(folder: Path):
    before = found(folder)
    (folder / "notes.json").write_text("{}")
    (folder / "broken.json").write_text('{"type": "Feature", ')
    (folder / "S2_other.zip").write_bytes(b"PK no zip")
    (folder / "EMPTY.SAFE").mkdir()
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "item.json").write_text((folder / "0" / "item.json").read_text())
    assert found(folder) == before


def test_ignores_an_invalid_bbox_and_accepts_one_with_heights(folder: Path):
    for name, bbox in (("0", ["a", 1, 2, 3]), ("1", [1, 2, 0, 3, 4, 900])):
        place = folder / name / "item.json"
        place.write_text(json.dumps(json.loads(place.read_text()) | {"bbox": bbox}))
    boxes = {scene.path: scene.bbox for scene in scenes_below(own_folders([folder])).scenes}
    assert boxes[str(folder / "0" / "item.json")] is None
    assert boxes[str(folder / "1" / "item.json")] == (1, 2, 3, 4)


def test_does_not_follow_a_link_out_of_the_folders(folder: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "item.json").write_text((folder / "0" / "item.json").read_text())
    before = found(folder)
    (folder / "link").symlink_to(outside)
    (folder / "link.json").symlink_to(outside / "item.json")
    assert found(folder) == before


def test_the_list_has_at_most_as_many_scenes_as_requested(folder: Path):
    (folder / "the last.txt").touch()
    listed = scenes_below(own_folders([folder]), most=2)
    assert (len(listed.scenes), listed.complete) == (2, False)
    assert scenes_below(own_folders([folder]), most=4).complete


def test_can_exclude_a_folder(folder: Path):
    assert found(folder, without=folder / "0") == [("safe", "S2A.SAFE"), ("item", "1/item.json")]


def test_a_gate_without_folders_has_no_scenes():
    for gate in (own_folders([]), pod("example.org")):
        listed = scenes_below(gate)
        assert (listed.scenes, listed.complete) == ([], True)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("deep.json", "[" * 200_000, "more than 64 levels"),
        ("nan.json", '{"type": "Feature", "bbox": [NaN]}', "NaN is not a number"),
        ("huge.json", '{"type": "Feature", "bbox": [1' + "0" * 400 + "]}", "finite"),
        ("half.json", '{"type": "Feature", "stac_version": "1.0.0"}', "not a STAC Item"),
        ("nul.json", r'{"type": "Feature", "id": "a\u0000"}', "NUL"),
    ],
)
def test_an_unreadable_file_is_reported_and_hides_no_other(folder: Path, name: str, text: str, reason: str):
    before = found(folder)
    (folder / name).write_text(text)
    listed = scenes_below(own_folders([folder]))
    assert found(folder) == before
    assert [Path(one.path).name for one in listed.unreadable] == [name]
    assert reason in listed.unreadable[0].reason


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("<EXT_POS_LIST>", "<EXT_POS_LIST>1e400 5 "),
        ("<EXT_POS_LIST>", "<EXT_POS_LIST>1 -1000 1 -10 "),
        ("<Cloud_Coverage_Assessment>", "<Cloud_Coverage_Assessment>9" + "9" * 5000),
        ("<Product_Info>", "<a>" * 50_000 + "</a>" * 50_000 + "<Product_Info>"),
    ],
)
def test_malicious_metadata_of_a_product_hide_no_other(folder: Path, was: str, becomes: str):
    before = {path for _, path in found(folder)}
    metadata = next((folder / "S2A.SAFE").rglob("MTD_MSIL*.xml"))
    text = metadata.read_text()
    assert was in text
    metadata.write_text(text.replace(was, becomes))
    assert {path for _, path in found(folder)} >= before - {"S2A.SAFE"}
