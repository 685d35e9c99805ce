"""Files in and out: what is read, what is refused and how it is named, and that nothing half-written is left."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from tracker.errors import InputError
from tracker.files.motchallenge import (
    ResultWriter,
    read_detections,
    read_tracks,
    write_detections_npy,
    write_results,
    write_table,
)

fuzz = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(folder: Path, text: str | bytes, name: str = "det.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "1,-1,10,20,30,40,0.5,-1,-1,-1\n",  # MOT16
        "1,-1,10,20,30,40,0.5\n",  # MOT17's detectors
        "1, -1, 10, 20, 30, 40, 0.5",  # spaces after commas, no newline at the end
        "1 -1 10 20 30 40 0.5\r\n",  # white space, Windows line ends
        "1\t-1\t10\t20\t30\t40\t5e-1\n\n",  # tabs, an exponent, a blank line at the end
        "\ufeff\n1,-1,10,20,30,40,0.5\n",  # a byte order mark and a blank line first
        "1,-1,10,20,30,40,0.5,4.13,1.86,0\n",  # MOT15: world coordinates are no classes
        "1.0,-1.0,10.0,20.0,30.0,40.0,0.5\n",  # everything a float
    ],
)
def test_one_detection_in_each_spelling(tmp_path: Path, text: str) -> None:
    table = read_detections(written(tmp_path, text))
    assert table.frames.tolist() == [1]
    assert table.boxes.tolist() == [[10, 20, 40, 60]]
    assert table.scores.tolist() == [0.5]
    assert table.features is None
    assert table.class_ids is None


@pytest.mark.parametrize(
    ("text", "class_ids"),
    [
        ("1,-1,0,0,5,5,1,3\n2,-1,0,0,5,5,1,0", [3, 0]),  # eight columns
        ("1,-1,0,0,5,5,1,3,-1,-1", [3]),  # padded with -1
        ("1,-1,0,0,5,5,1,-1,-1,-1", None),  # no class
        ("1,-1,0,0,5,5,1,3,-1,-1\n2,-1,0,0,5,5,1,-1,-1,-1", None),  # a class in some rows only
        ("1,-1,0,0,5,5,1,3,2,0", None),  # world coordinates that happen to be whole
        ("1,-1,0,0,5,5,1,2.5,-1,-1", None),  # no integer
    ],
)
def test_classes_are_taken_only_where_they_must_be_classes(
    tmp_path: Path, text: str, class_ids: list[int] | None
) -> None:
    found = read_detections(written(tmp_path, text)).class_ids
    assert (None if found is None else found.tolist()) == class_ids


def test_a_missing_score_is_one_and_an_empty_file_no_detection(tmp_path: Path) -> None:
    assert read_detections(written(tmp_path, "1,-1,0,0,5,5")).scores.tolist() == [1.0]
    for empty in ("", "\n \n", "\ufeff"):
        table = read_detections(written(tmp_path, empty))
        assert (len(table), len(table.at(1)), table.first_frame, table.last_frame) == (0, 0, 1, 0)


def test_frames_are_sorted_stably_and_looked_up(tmp_path: Path) -> None:
    table = read_detections(written(tmp_path, "7,-1,1,0,5,5,1\n2,-1,2,0,5,5,1\n7,-1,0,0,5,5,1\n"))
    assert (table.first_frame, table.last_frame) == (2, 7)
    assert table.at(7).boxes[:, 0].tolist() == [1, 0]  # the file's order within a frame
    assert table.at(2).boxes.tolist() == [[2, 0, 7, 5]]
    assert [len(table.at(frame)) for frame in (1, 3, 8)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,-1,0,0,5,5,1\n1,-1,0,0,5\n", "line 2: 5 fields, expected 7"),  # a short row
        ("1,-1,0,0,5\n", "line 1: 5 fields, expected at least 6"),  # short throughout
        ("\n1,-1,0,0,5,5,1\n\n1,-1,0,x,5,5,1\n", r"line 4: field 4 \(top\) is 'x', expected a number"),  # a word
        ("fame,id,x,y,w,h\n", r"line 1: field 1 \(frame\) is 'fame'"),  # a header of no known names
        ("1,-1,0,0,5,5,1,\n", "line 1: field 8 is ''"),  # a comma too many
        ("1,-1,0,0,5,5,1\n1,-1,nan,0,5,5,1\n", "line 2: left is nan, expected a finite number"),
        ("1,-1,0,0,inf,5,1\n", "line 1: width is inf"),
        ("1,-1,0,0,5,5,nan\n", "line 1: score is nan"),
        ("1,-1,0,1e300,5,5,1\n", "line 1: top is 1e\\+300"),  # finite, but no pixel
        ("0,-1,0,0,5,5,1\n", r"line 1: frame is 0, expected an integer from 1 \(MOTChallenge counts frames from 1\)"),
        ("1.5,-1,0,0,5,5,1\n", "line 1: frame is 1.5"),
        (b"1,-1,0,0,5,5,1\n\xff\xfe\x00\x01", "line 2: byte 0xff is not text"),  # binary rubbish
        ("1,-1,0,0,5,5,1\n".encode("utf-16"), "line 1: byte 0xff is not text"),  # another encoding
        ("1,-1,0,0,5,5,1_0\n", r"line 1: field 7 \(score\) is '1_0'"),  # Python's number, not a table's
        ("1;-1;0;0;5;5;1\n", "line 1: field 1"),  # semicolons
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}, {said}") as raised:
        read_detections(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,-1,0,0,-5,5,1", "width is -5, expected a positive number"),
        ("1,-1,0,0,5,0,1", "height is 0, expected a positive number"),
        ("1,-1,9e8,0,1e-9,5,1", "width is 1e-09, expected a positive number"),  # vanishes beside its left edge
    ],
)
def test_a_row_without_area_is_left_out_and_counted(tmp_path: Path, row: str, said: str) -> None:
    path = written(tmp_path, f"2,-1,3,0,5,5,0.3,-1,-1,-1,7\n{row},-1,-1,-1,8\n1,-1,4,0,5,5,0.4,-1,-1,-1,9\n")
    table = read_detections(path)
    assert table.dropped == 1
    assert table.features is not None
    assert [table.frames.tolist(), table.scores.tolist(), table.features.ravel().tolist()] == [
        [1, 2],
        [0.4, 0.3],
        [9, 7],
    ]
    with pytest.raises(InputError, match=f"line 2: {said}"):
        read_detections(path, strict=True)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.txt", tmp_path / "nowhere.npy", tmp_path / "nowhere.json"):
        with pytest.raises(InputError, match=f"^{re.escape(str(path))}: cannot be read"):
            read_detections(path)
    with pytest.raises(InputError, match=f"^{re.escape(str(tmp_path))}: a folder without numbered text files"):
        read_detections(tmp_path)


def test_npy_with_features(tmp_path: Path) -> None:
    path = tmp_path / "det.npy"
    features = np.arange(6, dtype=np.float32).reshape(2, 3)
    boxes = np.array([[1.0, 2, 4, 6], [0, 0, 5, 5]])
    write_detections_npy(path, np.array([3, 1]), boxes, np.array([0.5, 0.25]), features)
    raw = np.load(path)
    assert raw[0].tolist() == [3, -1, 1, 2, 3, 4, 0.5, -1, -1, -1, 0, 1, 2]  # DeepSORT's layout
    table = read_detections(path)
    assert table.frames.tolist() == [1, 3]
    assert table.boxes.tolist() == boxes[::-1].tolist()
    assert table.scores.tolist() == [0.25, 0.5]
    assert table.features is not None
    assert table.features.tolist() == features[::-1].tolist()
    assert table.at(3).features.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("array", "count", "dimension"),
    [
        (np.empty((0,)), 0, None),  # what np.array([]) saves
        (np.empty((0, 138)), 0, 128),
        (np.array([[1, -1, 0, 0, 5, 5, 1, -1, -1, -1]], dtype=np.int32), 1, None),  # no features, integers
        (np.array([[1, -1, 0, 0, 5, 5, 1, -1, -1, -1, 7]], dtype=np.float16), 1, 1),
    ],
)
def test_npy_of_unusual_but_legal_shape(tmp_path: Path, array: np.ndarray, count: int, dimension: int | None) -> None:
    np.save(tmp_path / "det.npy", array)
    table = read_detections(tmp_path / "det.npy")
    assert len(table) == count
    assert (None if table.features is None else table.features.shape[1]) == dimension


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 9)), r"shape \(3, 9\), expected N x \(10 \+ D\)"),  # too narrow
        (np.zeros(12), r"shape \(12,\)"),  # one-dimensional
        (np.zeros((2, 3, 20)), r"shape \(2, 3, 20\)"),
        (np.array([["a"] * 12]), "holds <U1"),  # text
        (np.ones((2, 12), dtype=complex), "holds complex128"),
        (np.zeros((2, 12)), r"row 0 \(counted from 0\): frame is 0"),
        (np.ones((2, 12)) * [[1], [np.nan]], r"row 1 \(counted from 0\): frame is nan"),
        (np.append(np.ones(11), 1e39)[None], "row 0 .*feature is not finite"),  # too large for float32
    ],
)
def test_npy_of_a_wrong_kind_is_named(tmp_path: Path, array: np.ndarray, said: str) -> None:
    np.save(tmp_path / "det.npy", array)
    with pytest.raises(InputError, match=said):
        read_detections(tmp_path / "det.npy")


def test_npy_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "det.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a NumPy array"):
        read_detections(tmp_path / "det.npy")


@pytest.mark.parametrize(
    ("text", "class_ids"),
    [
        ("1,5,0,0,5,5,1,1,0.86\n1,2,0,0,5,5,0,11,1", [11, 1]),  # MOT16: class, visibility; sorted by id
        ("1,5,0,0,5,5,1,1", [1]),
        ("1,5,0,0,5,5,1,4.48,5.5,0", None),  # MOT15: world coordinates
        ("1,5,0,0,5,5,1,3,2,0", None),  # which may happen to be whole
        ("1,5,0,0,5,5,1,3,1,7\n2,5,0,0,5,5,1,4,-1,0", None),
        ("1,5,0,0,5,5,1,0,0,0", None),  # a column of zeros says nothing
        ("1,5,0,0,5,5,1,-1,-1,-1", None),
        ("1,5,0,0,5,5", None),
        ("1,5,0,0,5,5,1,4,0,2\n2,5,0,0,5,5,0,0,-1,-1\n", [4, 0]),  # VisDrone: class, truncation, occlusion
        ("1,5,0,0,5,5,1,1,-1,-1\n2,5,0,0,5,5,1,3,-1,-1\n", [1, 3]),  # padded with -1
        ("1,5,0,0,5,5,1,2,0.35,-1", [2]),  # with the visible share
    ],
)
def test_ground_truth_of_either_layout(tmp_path: Path, text: str, class_ids: list[int] | None) -> None:
    found = read_tracks(written(tmp_path, text)).class_ids
    assert (None if found is None else found.tolist()) == class_ids


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,5,0,0,5,5,1\n2,5,0,0,5,5,1\n1,5,9,9,5,5,1", "line 3: id 5 occurs twice in frame 1"),
        ("1,-1,0,0,5,5,1", r"line 1: id is -1, expected an integer from 0 \(is this a file of detections\?\)"),
        ("1,1.5,0,0,5,5,1", "line 1: id is 1.5"),
        ("1,nan,0,0,5,5,1", "line 1: id is nan, expected a finite number"),
        ("1,9007199254740992,0,0,5,5,1", "id is 9007199254740992, expected a number below 9007199254740992"),
        ("1e18,1,0,0,5,5,1", "frame is 1000000000000000000, expected a number below 9007199254740992"),
        ("1,1,0,1e9,5,5,1", "top is 1000000000, expected a number below 1000000000"),
        ("1,1,0,0,inf,5,1", "width is inf, expected a finite number"),
    ],
)
def test_tracks_with_bad_ids_or_numbers_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_tracks(written(tmp_path, text))


def test_large_frames_and_ids_of_tracks_are_exact(tmp_path: Path) -> None:
    table = read_tracks(written(tmp_path, "1700000000123,9007199254740991,0,0,5,5,1\n1700000000123,5e9,0,0,5,5,1\n"))
    assert table.frames.tolist() == [1700000000123] * 2
    assert table.ids.tolist() == [5_000_000_000, 2**53 - 1]


def test_tracks_may_have_boxes_without_area(tmp_path: Path) -> None:
    """Official ground truth has them (VisDrone), and so has a result that was written with few digits."""
    rows = ("1,1,0,0,5,5", "1,2,0,0,0,5", "1,3,0,0,5,0", "1,4,9,9,-5,-5", "1,5,9e8,0,1e-9,5", "1,6,0,0,1e-9,1e-9")
    assert read_tracks(written(tmp_path, "\n".join(rows))).has_area.tolist() == [True] + [False] * 5


def test_no_result_is_written_that_could_not_be_read_back(tmp_path: Path) -> None:
    """Frames named by nanoseconds, say."""
    ids, boxes = np.array([1]), np.array([[0.0, 0, 5, 5]])
    write_results(tmp_path / "a.txt", np.array([2**53 - 1]), ids, boxes, np.ones(1))
    assert read_tracks(tmp_path / "a.txt").frames.tolist() == [2**53 - 1]
    with pytest.raises(InputError, match="frame number 9007199254740992: expected below 9007199254740992"):
        write_results(tmp_path / "a.txt", np.array([2**53]), ids, boxes, np.ones(1))


@pytest.mark.slow
def test_every_real_file_is_read(shared: Path) -> None:
    """Row counts against a plain count of lines."""
    for path in sorted(shared.glob("data/mot1*/*/det/*.txt")):
        assert len(read_detections(path)) == len(path.read_text().splitlines()), path
        assert read_detections(path).class_ids is None, path
    for path in sorted(shared.glob("data/**/*.npy")):
        assert read_detections(path).features.shape[1] == 128, path
    for path in sorted([*shared.glob("data/mot1*/*/gt/gt.txt"), *shared.glob("data/reference/*/*.txt")]):
        tracks = read_tracks(path)
        assert len(tracks) == len(path.read_text().splitlines()), path
        assert (tracks.class_ids is not None) == ("mot16" in path.parts), path


rows = st.lists(
    st.lists(
        st.one_of(
            st.integers(-2, 50).map(str),
            st.floats(width=32).map(repr),
            st.sampled_from(["", "x", "nan", "1e999", "1_0", "٣", "\x00", "#", '"1"', "0x1p3", "1j"]),
        ),
        min_size=0,
        max_size=12,
    ),
    max_size=4,
)


@fuzz
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.text(alphabet="0123456789.,-+e \t\r\n\x0b\x0c\x1c\x85\u2028naif", max_size=80).map(str.encode),
        st.tuples(rows, st.sampled_from([",", " ", "\t", ", "])).map(
            lambda pair: "\n".join(pair[1].join(row) for row in pair[0]).encode()
        ),
    )
)
@example(data=b"1,-1,0,0,5,5,1\x001,-1")
@example(data=b"1,1,0,0,5,5\x0c\n1,2,0,0,5,5")
@example(data=b",,,,,,\n")
@pytest.mark.parametrize("read", [read_detections, read_tracks])
@pytest.mark.slow
def test_any_text_is_a_valid_table_or_an_input_error(tmp_path: Path, read, data: bytes) -> None:
    check_read(read, written(tmp_path, data))


@fuzz
@given(data=st.data())
@pytest.mark.slow
def test_any_npy_is_a_valid_table_or_an_input_error(tmp_path: Path, data: st.DataObject) -> None:
    array = data.draw(
        stnp.arrays(
            dtype=st.one_of(stnp.floating_dtypes(), stnp.integer_dtypes(), stnp.unicode_string_dtypes(max_len=2)),
            shape=st.one_of(
                st.tuples(st.integers(0, 3), st.integers(8, 13)), stnp.array_shapes(min_dims=0, max_dims=3, min_side=0)
            ),
        )
    )
    file = io.BytesIO()
    np.save(file, array)
    check_read(read_detections, written(tmp_path, file.getvalue(), "det.npy"))


@fuzz
@given(position=st.integers(0, 200), change=st.binary(min_size=1, max_size=8), cut=st.integers(0, 400))
def test_a_damaged_npy_is_a_valid_table_or_an_input_error(
    tmp_path: Path, position: int, change: bytes, cut: int
) -> None:
    file = io.BytesIO()
    np.save(file, np.ones((2, 12)) * [1, 1, 0, 0, 5, 5, 1, 1, 1, 1, 1, 1])
    data = file.getvalue()
    damaged = data[:position] + change + data[position + len(change) :]
    check_read(read_detections, written(tmp_path, damaged[: len(damaged) - cut], "det.npy"))


def check_read(read, path: Path) -> None:
    """`path` reads as a table that keeps its promises, or is refused in one line."""
    try:
        table = read(path)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
        return
    assert (np.diff(table.frames) >= 0).all()
    assert (table.frames >= 1).all()
    assert np.isfinite(table.boxes).all()
    assert read is read_tracks or (table.boxes[:, 2:] > table.boxes[:, :2]).all()
    assert np.isfinite(table.scores).all()
    assert len(table.frames) == len(table.boxes) == len(table.scores)
    if read is read_detections and table.features is not None:
        assert np.isfinite(table.features).all()


boxes_strategy = st.lists(
    st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000), st.floats(0.01, 2000), st.floats(0.01, 2000)), max_size=5
)


@fuzz
@given(tlwh=boxes_strategy, data=st.data())
@pytest.mark.slow
def test_results_come_back_as_written(tmp_path: Path, tlwh: list[tuple[float, ...]], data: st.DataObject) -> None:
    boxes = np.array(tlwh).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    count = len(boxes)
    frames = np.sort(data.draw(stnp.arrays(np.int64, count, elements=st.integers(1, 10_000))))
    ids, scores = np.arange(1, count + 1), np.linspace(0, 1, count)
    path = tmp_path / "out.txt"
    write_results(path, frames, ids, boxes, scores)
    table = read_tracks(path)
    order = np.lexsort((ids, frames))
    np.testing.assert_array_equal(table.frames, frames[order])
    np.testing.assert_array_equal(table.ids, ids[order])
    np.testing.assert_allclose(table.boxes, boxes[order], atol=1.1e-4)
    np.testing.assert_allclose(table.scores, scores[order], atol=1e-4)


def test_rows_are_motchallenge_rows_by_either_writer(tmp_path: Path) -> None:
    boxes, scores = np.array([[1.0, 2, 4, 6.5]]), np.array([0.9])
    with ResultWriter(tmp_path / "new" / "a.txt") as writer:  # the folder is created
        writer.write(3, np.array([7]), boxes, scores)
        writer.write(4, np.array([], dtype=np.int64), np.empty((0, 4)), np.empty(0))
        assert not (tmp_path / "new" / "a.txt").exists()
    write_results(tmp_path / "b.txt", np.array([3]), np.array([7]), boxes, scores)
    expected = "3,7,1.0000,2.0000,3.0000,4.5000,0.9000,-1,-1,-1\n"
    assert (tmp_path / "new" / "a.txt").read_text() == (tmp_path / "b.txt").read_text() == expected


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = written(tmp_path, "old", "out.txt")
    with pytest.raises(KeyboardInterrupt), ResultWriter(path) as writer:
        writer.write(1, np.array([1]), np.array([[0.0, 0, 5, 5]]), np.ones(1))
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "is a folder"),
        ("file/out.txt", "cannot be written"),  # a file where a folder should be
        ("n" * 300, "cannot be written: File name too long"),
    ],
)
def test_where_nothing_can_be_written(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=said), ResultWriter(tmp_path / name):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_an_input_error() -> None:
    with (
        pytest.raises(InputError, match="/dev/full: cannot be written: No space left"),
        ResultWriter("/dev/full") as out,
    ):
        out.write(1, np.array([1]), np.array([[0.0, 0, 5, 5]]), np.ones(1))
    assert not Path("/dev/full").is_file()


def test_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"frame": np.array([1, 2]), "score": [0.5, 0.25], "name": ["a", 'b,"']}
    write_table(tmp_path / "t.csv", columns)
    assert (tmp_path / "t.csv").read_text() == 'frame,score,name\n1,0.5,a\n2,0.25,"b,"""\n'
    with pytest.raises(InputError, match=r"suffix '\.xls', expected \.csv or \.parquet"):
        write_table(tmp_path / "t.xls", columns)
    with pytest.raises(ValueError, match="differ in length"):
        write_table(tmp_path / "t.csv", {"a": [1], "b": [1, 2]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'flatsort\[parquet\]'"):
        write_table(tmp_path / "t.parquet", columns)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "t.parquet", {"frame": np.array([1, 2]), "score": np.array([0.5, 0.25])})
    assert parquet.read_table(tmp_path / "t.parquet").to_pydict() == {"frame": [1, 2], "score": [0.5, 0.25]}
