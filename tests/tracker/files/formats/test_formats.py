"""Every format there and back; what is told apart by what is in it; bad rows named."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.errors import InputError
from tracker.files.formats.writing import Written, write
from tracker.files.motchallenge import read_detections, read_tracks
from tracker.files.number_text import read_plain_table
from tracker.files.tables import TrackTable

SIZE = (640, 480)
ENDS: dict[Written, str] = {
    "mot": "tracks.txt",
    "csv": "tracks.csv",
    "parquet": "tracks.parquet",
    "coco": "tracks.json",
    "yolo": "labels",
    "kitti": "tracks.kitti",
}


def tracks(seed: int = 0, count: int = 40) -> TrackTable:
    rng = np.random.default_rng(seed)
    frames = np.sort(rng.integers(1, 8, count))
    ids = np.arange(count) + 1
    corner = rng.uniform(0, 300, (count, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(1, 200, (count, 2))), axis=1).round(3)
    names = {0: "Pedestrian", 3: "Car"}
    return TrackTable(frames, ids, boxes, rng.uniform(0.1, 0.9, count).round(3), rng.choice([0, 3], count), names)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 60))
@pytest.mark.parametrize("written", list(ENDS))
def test_tracks_come_back(tmp_path_factory: pytest.TempPathFactory, written: Written, seed: int, count: int) -> None:
    path = tmp_path_factory.mktemp(written) / ENDS[written]
    table = tracks(seed, count)
    write(path, written, table, lambda: SIZE)
    back = read_tracks(path, lambda: SIZE)
    np.testing.assert_array_equal(back.frames, table.frames)
    np.testing.assert_array_equal(back.ids, table.ids)
    np.testing.assert_allclose(back.boxes, table.boxes, atol=1e-3)
    np.testing.assert_allclose(back.scores, table.scores, atol=1e-3)
    if written in ("csv", "parquet", "coco", "kitti") and back.class_ids is not None:
        assert [back.class_names[kind] for kind in back.class_ids] == [table.class_names[k] for k in table.class_ids]


@pytest.mark.parametrize("written", list(ENDS))
def test_detections_too(tmp_path: Path, written: Written) -> None:
    path, table = tmp_path / ENDS[written], tracks()
    write(path, written, table, lambda: SIZE)
    found = read_detections(path, size=lambda: SIZE)
    np.testing.assert_array_equal(found.frames, table.frames)
    np.testing.assert_allclose(found.boxes, table.boxes, atol=1e-3)
    assert found.class_ids is not None
    assert found.features is None


@pytest.mark.parametrize("written", ["mot", "csv", "coco", "kitti"])
def test_text_may_be_compressed_or_come_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    path, table = tmp_path / ENDS[written], tracks()
    write(path, written, table, lambda: SIZE)
    packed = tmp_path / f"{path.name}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    for source in (packed, Path("-")):
        np.testing.assert_array_equal(read_tracks(source).ids, table.ids)
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"\.gz: cannot be read"):
        read_tracks(packed)


@pytest.mark.parametrize(
    ("text", "boxes", "scores", "classes"),
    [
        ("frame,x1,y1,x2,y2\n2,10,20,30,60\n", [[10, 20, 30, 60]], [1], None),
        ("frame_id,xmin,ymin,xmax,ymax,confidence\n2,10,20,30,60,.5\n", [[10, 20, 30, 60]], [0.5], None),
        ("Frame,Left,Top,Width,Height,Label\n2,10,20,20,40,dog\n", [[10, 20, 30, 60]], [1], {0: "dog"}),
        ("frame,id,x,y,w,h,class,class_name\n2,7,10,20,20,40,5,bus\n", [[10, 20, 30, 60]], [1], {5: "bus"}),
        ("track_id,frame,left,top,right,bottom\n", [], [], None),  # nothing but the header
    ],
)
def test_columns_go_by_many_names(tmp_path: Path, text: str, boxes: list, scores: list, classes: dict | None) -> None:
    (tmp_path / "table.txt").write_text(text)  # whatever it is called
    found = read_detections(tmp_path / "table.txt")
    assert found.boxes.tolist() == boxes
    assert found.scores.tolist() == scores
    assert found.frames.tolist() == [2] * len(boxes)
    assert found.class_names == (classes or {})


def test_coco_results_and_ground_truth(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    result = [{"image_id": 3, "category_id": 1, "bbox": [10, 20, 20, 40], "score": 0.5}]
    path.write_text(json.dumps(result))
    assert read_detections(path).at(3).boxes.tolist() == [[10, 20, 30, 60]]
    images = [{"id": 70, "file_name": "img1/000012.jpg"}, {"id": 71, "file_name": "img1/000013.jpg"}]
    truth = [{"image_id": 71, "category_id": 2, "bbox": [1, 2, 3, 4], "track_id": 5, "iscrowd": 1}]
    kinds = [{"id": 2, "name": "person"}]
    path.write_text(json.dumps({"images": images, "annotations": truth, "categories": kinds}))
    found = read_tracks(path)
    assert (found.frames.tolist(), found.ids.tolist(), found.scores.tolist()) == ([13], [5], [0])
    assert found.class_names == {2: "person"}


def test_labels_of_frames_from_nought(tmp_path: Path) -> None:
    for number, line in ((0, "0 0.5 0.5 0.5 0.5 7\n"), (1, "0 0.5 0.5 0.25 0.5 7\n\n")):
        (tmp_path / f"clip_{number}.txt").write_text(line)
    found = read_tracks(tmp_path, lambda: (100, 40))
    assert (found.frames.tolist(), found.ids.tolist()) == ([1, 2], [7, 7])
    assert found.boxes.tolist() == [[25, 10, 75, 30], [37.5, 10, 62.5, 30]]
    with pytest.raises(InputError, match="fractions of a picture whose size is not known"):
        read_tracks(tmp_path)


def test_what_kitti_does_not_care_for_is_left_out(tmp_path: Path) -> None:
    rest = "0 0 -10 {} 0 0 0 0 0 0 0\n"
    lines = [f"0 -1 DontCare {rest.format('1 2 3 4')}", f"0 4 Cyclist {rest.format('1 2 3 4')}"]
    (tmp_path / "0016.txt").write_text("".join(lines))
    found = read_tracks(tmp_path / "0016.txt")
    assert found.ids.tolist() == [4]
    assert found.boxes.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "is no JSON"),
        ("a.json", "[" * 100_000, "is no JSON"),
        ("a.json", '{"a": 1}', "neither, expected COCO's results"),
        ("a.json", '[{"image_id": 1}]', r"entry 0 \(counted from 0\): lacks 'bbox'"),
        ("a.json", '[{"image_id": 1, "bbox": [1, 2, 3]}]', "entry 0 .*expected image_id"),
        ("a.json", '[{"image_id": 1, "bbox": [1, 2, "x", 4]}]', "entry 0 .*expected image_id"),
        ("a.json", '{"images": [], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}', "entry 0"),
        ("a.csv", "frame,left,top,width,score\n1,2,3,4,5\n", "columns frame, left, top, width, score, expected"),
        ("a.csv", "frame,left,top,width,height\n1,2,3,4,x\n", "line 2: height is 'x', expected a number"),
        ("a.csv", "frame,left,top,width,height\n1,2,3,4\n", "line 2: 4 fields, expected 5 as in the header"),
        ("a.csv", "frame,left,top,width,height,class\n1,2,3,4,5,1.5\n", "line 2: class is 1.5, expected a whole"),
        ("a.csv", "frame,left,top,width,height\n1,2,3,nan,5\n", "line 2: width is nan"),
        ("a.txt", "0 1 Car 0 0 0 1 2 3 4\n", "line 1: 10 fields, expected 17 or 18"),
        ("a.txt", "0 1 Car 0 0 0 1 2 x 4 0 0 0 0 0 0 0\n", "line 1: .* a field is no number"),
        ("labels/f_1.txt", "0 1 2 3\n", "f_1.txt, line 1: 4 fields, expected lines of class"),
        ("labels/f_1.txt", "0 1 2 3 x\n", "f_1.txt, line 1: .* is not all numbers"),
        ("labels/f_1.txt", "-2 1 2 3 4\n", "f_1.txt, line 1"),
    ],
)
def test_what_is_malformed_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        read_tracks(path if path.parent == tmp_path else path.parent, lambda: SIZE)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


@settings(max_examples=200, deadline=None)
@given(
    head=st.sampled_from(["[", "{", "frame,left,top,width,height\n", "0 1 Car ", ""]),
    rest=st.text(max_size=200) | st.text('0123456789.,-eE \n{}[]":truefalsnbox', max_size=200),
)
def test_any_text_is_tracks_or_one_line(tmp_path_factory: pytest.TempPathFactory, head: str, rest: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_text(head + rest, encoding="utf-8", errors="surrogatepass")
    try:
        read_tracks(path)
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("tail", [",-1,-1,-1", ",-1", ",1,0.5,0", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_plain_table_is_read_as_numpy_reads_it(tmp_path: Path, tail: str, end: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1000, (3000, 7))
    values[:, 0], values[:, 1] = np.arange(3000) // 3 + 1, np.arange(3000)
    lines = [
        ",".join([f"{row[0]:.0f}", f"{row[1]:.0f}", *(repr(v) for v in row[2:].tolist())]) + tail for row in values
    ]
    path = tmp_path / "table.txt"
    path.write_text(end.join(lines), newline="")
    found = read_tracks(path)
    expected = np.loadtxt(path, delimiter=",")
    assert found.boxes[:, 0].tolist() == expected[:, 2].tolist()
    assert found.scores.tolist() == expected[:, 6].tolist()
    assert (found.class_ids is not None) == (tail == ",1,0.5,0")


def test_frame_numbers_beyond_those_of_float32_survive(tmp_path: Path) -> None:
    from tracker.files.motchallenge import write_detections_npy

    frames = np.array([2**24 + 1, 2**24 + 3])
    write_detections_npy(tmp_path / "d.npy", frames, np.array([[0, 0, 5, 5]] * 2, float), np.ones(2), np.ones((2, 3)))
    assert read_detections(tmp_path / "d.npy").frames.tolist() == frames.tolist()
    for written, name in ENDS.items():
        table = TrackTable(frames, frames, np.array([[0.0, 0, 5, 5]] * 2), np.ones(2))
        write(tmp_path / name, written, table, lambda: SIZE)
        assert read_tracks(tmp_path / name, lambda: SIZE).frames.tolist() == frames.tolist(), written


def spelled(value: float, how: int) -> str:
    return (repr(value), f"{value:.3f}", f"{value:e}", f"+{abs(value):.2f}", f" {value:.4f} ", f"{value:.0f}.")[how]


@settings(max_examples=100, deadline=None)
@given(
    numbers=st.lists(st.floats(-1e9, 1e9) | st.floats(-1, 1) | st.integers(-(10**6), 10**6).map(float), min_size=6),
    how=st.integers(0, 5),
    columns=st.integers(1, 6),
)
def test_the_compiled_reader_reads_what_numpy_reads(numbers: list[float], how: int, columns: int) -> None:
    import tracker.files.number_text as number_text

    rows = [numbers[k : k + columns] for k in range(0, len(numbers) - columns + 1, columns)]
    text = "".join(",".join(spelled(number, how) for number in row) + "\n" for row in rows).encode()
    expected = np.array([[float(field) for field in line.split(",")] for line in text.decode().splitlines()])
    found = read_plain_table(io.BytesIO(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(number_text, "read_table", lambda *_: False)
        other = read_plain_table(io.BytesIO(text))
    for one in (found, other):
        if one is not None:  # what is not plain is left to others
            np.testing.assert_array_equal(one, expected)
            assert (np.signbit(one) == np.signbit(expected)).all()
    assert (found is None) == (other is None)


NOT_PLAIN = (
    b"1,2\n3\n",
    b"1,2\n3,4,5\n",
    b"1,,2\n",
    b"1,2,\n",
    b"1,x\n",
    b"1,2\n\n3,4\n",
    b"1,-\n",
    b"1,1e\n",
    b"1 2\n",
)


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_what_is_no_plain_table_is_left_to_others(text: bytes) -> None:
    assert read_plain_table(io.BytesIO(text)) is None
