"""Many sequences in a word: lists, patterns and manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracker.errors import InputError
from tracker.input.sequences import find_sequences


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """a.mp4, b.mp4 and more/a.mp4 with detections, and the working folder above them."""
    monkeypatch.chdir(tmp_path)
    for name in ("v/a.mp4", "v/b.mp4", "v/more/a.mp4", "v/a.txt", "root/train/S-1/det/det.txt", "root/S-2/gt/gt.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / "v"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.mp4\nb.mp4\n", ["a", "b"]),  # beside the list
        ("\n# all of Monday\n  v/b.mp4  \n", ["b"]),  # from the working folder; comments, blanks
        ("S-1\nS-2\n", ["S-1", "S-2"]),  # names below the root
        ("\ufeffa.mp4\r\nrtsp://door/stream\r\n", ["a", "stream"]),  # as Windows writes it; a stream
    ],
)
def test_a_list_holds_one_a_line(videos: Path, text: str, names: list[str]) -> None:
    (videos / "list.txt").write_text(text)
    assert [one.name for one in find_sequences([str(videos / "list.txt")], "root")] == names


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("v/*.mp4", ["a", "b"]),
        ("v/**/b.mp4", ["b"]),
        ("S-*", ["S-2"]),  # below the root, the first layout that has any
        ("train/S-?", ["S-1"]),
    ],
)
def test_a_pattern_is_the_shells(videos: Path, pattern: str, names: list[str]) -> None:
    assert [one.name for one in find_sequences([pattern], "root")] == names
    assert [one.name for one in find_sequences([str(videos / "*.mp4")], None)] == ["a", "b"]


def test_a_name_with_brackets_is_a_name_where_it_is_there(videos: Path) -> None:
    for name in ("root/train/S[1]/det/det.txt", "v/c[2].mp4", "v/c2.mp4", "d[3]/img1/000001.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert [one.name for one in find_sequences(["S[1]", "v/c[2].mp4", "d[3]"], "root")] == ["S[1]", "c[2]", "d[3]"]


def test_a_manifest_names_detections_and_outputs(videos: Path) -> None:
    (videos / "m.csv").write_text(
        "camera,video,det,name\ndoor,a.mp4,a.txt,door-a\nhall,more/a.mp4,,hall-a\n,b.mp4,hog,\n"
    )
    found = find_sequences([str(videos / "m.csv")])
    assert [one.name for one in found] == ["door-a", "hall-a", "b"]
    assert [one.detections for one in found] == [str(videos / "a.txt"), None, "hog"]
    assert [one.frames for one in found] == [videos / "a.mp4", videos / "more/a.mp4", videos / "b.mp4"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.csv", "file\na.mp4\n", "no column sequence or video, found file"),
        ("m.csv", "video,det\n,a.txt\n", "line 2: video is empty"),
        ("m.csv", "video\n", "holds no sequence"),
        ("m.csv", "video\na.mp4,b.mp4\n", "line 2: more values"),
        ("m.csv", "video,name\na.mp4,x/y\n", "line 2: name is 'x/y', expected a plain file name"),
        ("m.csv", "video\na.mp4\nmore/a.mp4\n", "'a': named 2 times.*column `name`"),
        ("list.txt", "# nothing\n", "holds no sequence"),
        ("list.txt", "nowhere.mp4\n", "'nowhere.mp4': not found"),
        ("list.txt", b"\xff\xfe\x00", "is not text"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(videos: Path, name: str, text: str | bytes, said: str) -> None:
    (videos / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=said):
        find_sequences([str(videos / name)])


def test_a_pattern_without_a_match_is_said(videos: Path) -> None:
    with pytest.raises(InputError, match=r"x\*\.mp4: no file or folder matches here"):
        find_sequences(["x*.mp4"], "root")
