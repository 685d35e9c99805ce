"""Where sequences and their detections are found, and what is said when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracker.errors import InputError
from tracker.input.sequences import find_detections, find_sequence, find_sequences, read_sequence

SEQINFO = "[Sequence]\nname=A\nimDir=img1\nframeRate=29.97\nseqLength=3\nimWidth=640\nimHeight=480\nimExt=.jpg\n"


def make_sequence(folder: Path, seqinfo: str | None = SEQINFO, images: int = 0) -> Path:
    (folder / "det").mkdir(parents=True)
    (folder / "det" / "det.txt").write_text("1,-1,0,0,5,5,1\n")
    if seqinfo is not None:
        (folder / "seqinfo.ini").write_text(seqinfo)
    if images:
        (folder / "img1").mkdir()
        for number in range(1, images + 1):
            (folder / "img1" / f"{number:06d}.jpg").touch()
    return folder


@pytest.mark.parametrize(
    "place",
    [
        "A",  # ROOT/NAME
        "train/A",  # ROOT/train/NAME
        "test/A",
        "MOT16/train/A",  # ROOT/*/train/NAME
        "MOT16/test/A",
    ],
)
def test_a_name_is_found_in_each_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    folder = make_sequence(tmp_path / place)
    assert find_sequence("A", tmp_path).folder == folder
    monkeypatch.setenv("MOT_ROOT", str(tmp_path))
    assert find_sequence("A").folder == folder
    assert [sequence.name for sequence in find_sequences(["all"])] == ["A"]


def test_a_folder_is_described_by_its_seqinfo(tmp_path: Path) -> None:
    sequence = read_sequence(make_sequence(tmp_path / "A", images=2))
    assert (sequence.name, sequence.length, sequence.frame_rate) == ("A", 3, 29.97)
    assert (sequence.width, sequence.height) == (640, 480)
    assert sequence.frames == tmp_path / "A" / "img1"
    assert sequence.ground_truth is None


def test_a_folder_needs_neither_seqinfo_nor_frames(tmp_path: Path) -> None:
    sequence = read_sequence(make_sequence(tmp_path / "A", seqinfo=None))
    assert (sequence.frames, sequence.length, sequence.frame_rate) == (None, None, None)
    (tmp_path / "A" / "gt").mkdir()
    (tmp_path / "A" / "gt" / "gt.txt").touch()
    assert read_sequence(tmp_path / "A").ground_truth == tmp_path / "A" / "gt" / "gt.txt"


def test_without_seqinfo_the_images_alone_make_a_sequence(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path / "A", seqinfo=None, images=4)
    sequence = read_sequence(folder)
    assert (sequence.frames, sequence.length) == (folder / "img1", None)  # counted when they are opened


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "A" / "img1").mkdir(parents=True)
    (tmp_path / "A" / "img1" / "._000001.jpg").touch()  # macOS leaves such files beside the real ones
    assert read_sequence(tmp_path / "A").frames is None


def test_a_plain_folder_of_images_is_a_sequence(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "1.PNG").touch()
    sequence = find_sequence(str(tmp_path / "holiday"))
    assert (sequence.name, sequence.frames, sequence.length) == ("holiday", tmp_path / "holiday", None)


@pytest.mark.parametrize(
    ("spec", "name", "frames"),
    [
        ("0", "camera0", 0),  # a camera index
        ("rtsp://host:554/live", "live", "rtsp://host:554/live"),  # a stream
        ("http://host/stream.m3u8/", "stream.m3u8", "http://host/stream.m3u8/"),  # the URL is kept as given
    ],
)
def test_cameras_and_streams(spec: str, name: str, frames: str | int) -> None:
    sequence = find_sequence(spec)
    assert (sequence.name, sequence.frames, sequence.folder) == (name, frames, None)


def test_a_video_file_and_a_number_that_is_a_sequence(tmp_path: Path) -> None:
    video = tmp_path / "walk.mp4"
    video.touch()
    assert find_sequence(str(video)).frames == video
    folder = make_sequence(tmp_path / "0002")
    assert find_sequence("0002", tmp_path).folder == folder  # KITTI's names are digits: the root goes before cameras


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("B", "not found under"),  # no such name: says where it looked
        ("", "empty name"),
        ("empty", "holds no sequence"),  # a folder with nothing of use
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, said: str) -> None:
    make_sequence(tmp_path / "A")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        find_sequence(spec, tmp_path)


def test_ambiguous_and_repeated_names(tmp_path: Path) -> None:
    make_sequence(tmp_path / "MOT16" / "train" / "A")
    make_sequence(tmp_path / "MOT17" / "train" / "A")
    with pytest.raises(InputError, match=r"MOT16.*and.*MOT17"):
        find_sequence("A", tmp_path)
    with pytest.raises(InputError, match="named 2 times"):
        find_sequences(["0", "0"])


@pytest.mark.parametrize("root", ["nowhere", "empty"])
def test_all_needs_a_root_with_sequences(tmp_path: Path, root: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=root):
        find_sequences(["all"], tmp_path / root)


def test_all_without_a_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOT_ROOT", raising=False)
    with pytest.raises(InputError, match=r"--root or \$MOT_ROOT"):
        find_sequences(["all"])


@pytest.mark.parametrize(
    ("seqinfo", "said"),
    [
        (SEQINFO.replace("seqLength=3", "seqLength=three"), "seqLength is 'three'"),  # a word
        (SEQINFO.replace("imWidth=640", "imWidth=-640"), "imWidth is '-640'"),  # a negative size
        (SEQINFO.replace("frameRate=29.97", "frameRate=nan"), "frameRate is 'nan'"),  # not finite
        ("name=A\n", "seqinfo.ini"),  # no section
        ("[Other]\nname=A\n", "no .Sequence. section"),  # another section
        ("[Sequence]\nname=A\nname=B\n", "seqinfo.ini"),  # a key twice
    ],
)
def test_a_bad_seqinfo_is_named(tmp_path: Path, seqinfo: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        read_sequence(make_sequence(tmp_path / "A", seqinfo=seqinfo))
    assert "\n" not in str(raised.value)


def test_detections_are_sought_here_and_in_det(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequence = read_sequence(make_sequence(tmp_path / "A"))
    monkeypatch.chdir(tmp_path)
    assert find_detections("det.txt", sequence) == tmp_path / "A" / "det" / "det.txt"
    (tmp_path / "A.npy").touch()
    assert find_detections("{seq}.npy", sequence) == Path("A.npy")
    with pytest.raises(InputError, match=r"no file sdp\.txt or .*A/det/sdp\.txt"):
        find_detections("sdp.txt", sequence)
    with pytest.raises(InputError, match="detections ''"):
        find_detections("", sequence)


@pytest.mark.parametrize("det", ["hog", "torchvision:fasterrcnn_resnet50_fpn", "weights/yolo.onnx"])
def test_detectors_are_no_files(tmp_path: Path, det: str) -> None:
    assert find_detections(det, read_sequence(make_sequence(tmp_path / "A"))) is None


def test_real_sequences_without_frames(shared: Path) -> None:
    sequences = find_sequences(["all"], shared / "data" / "mot16")
    assert [sequence.name for sequence in sequences] == [f"MOT16-{number}" for number in ("04", "09", "10", "11", "13")]
    assert all(sequence.ground_truth and sequence.frames is None and sequence.length for sequence in sequences)


@pytest.mark.parametrize(
    ("written", "folder"),
    [
        ("img1\\", "img1"),  # Windows
        (".\\img1", "img1"),
        ("IMG1", "img1"),  # a file system that does not tell cases apart
        ("/img1", "img1"),  # looks absolute
        ("img1/", "img1"),
        ("frames\\left", "Frames/Left"),  # two levels
        ("elsewhere", "img1"),  # not there: img1 is tried too
        ("elsewhere", "IMG1"),
        ("elsewhere", "."),  # and the folder itself
    ],
)
def test_the_image_folder_is_found_however_it_is_written(tmp_path: Path, written: str, folder: str) -> None:
    sequence = make_sequence(tmp_path / "A", SEQINFO.replace("img1", written))
    (sequence / folder).mkdir(parents=True, exist_ok=True)
    (sequence / folder / "000001.ppm").touch()
    found = read_sequence(sequence)
    assert found.frames == found.image_folder == sequence / folder


def test_where_images_were_looked_for_is_kept(tmp_path: Path) -> None:
    found = read_sequence(make_sequence(tmp_path / "A", SEQINFO.replace("img1", "pictures")))
    assert (found.frames, found.image_folder) == (None, tmp_path / "A" / "pictures")
