"""What corrections teach `flatsort adapt`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embedding.data.crop_pack import CropIndex
from tests.tracker.review.test_corrections import SCENE
from tracker.commands.main import run
from tracker.errors import InputError
from tracker.files.motchallenge import read_tracks, write_results
from tracker.footage.judged import joined_tracklets
from tracker.review.corrections import Cut, Delete, Different, Merge, Sound, Swap, apply_all
from tracker.review.lessons import judged_tracks, read_lessons
from tracker.review.session import Session, target_of


@pytest.mark.parametrize(
    ("said", "judged"),
    [
        ([], set()),  # the tracker's word is no person's
        ([Merge(keep=3, other=7)], {3}),
        ([Merge(keep=3, other=7), Cut(id=3, frame=5, new=9)], set()),  # taken back
        ([Merge(keep=3, other=7), Delete(id=3)], set()),
        ([Sound(id=5, frame=4)], {5}),
        ([Different(one=3, other=7)], set()),
        ([Swap(one=3, other=5, frame=3)], {3, 5}),
    ],
)
def test_who_was_judged(said: list, judged: set[int]) -> None:
    assert set(judged_tracks(apply_all(SCENE, said)).ids.tolist()) == judged


def test_tracklets_of_one_person_become_one() -> None:
    tracks = judged_tracks(apply_all(SCENE, [Merge(keep=3, other=7)]))
    order = np.random.default_rng(0).permutation(len(SCENE))
    count = len(SCENE)
    index = CropIndex(
        ("other", "clip"),
        np.ones(count, np.int32),
        SCENE.frames[order].astype(np.int32),
        SCENE.boxes[order].astype(np.float32),
        np.ones(count, np.float32),
        SCENE.ids[order],  # 3 and 7 are two tracklets
    )
    joined = joined_tracklets(index, {"clip": tracks})
    ids = SCENE.ids[order]
    assert len(set(joined[np.isin(ids, (3, 7))].tolist())) == 1
    assert set(joined[ids == 5].tolist()) == {5}
    assert (joined_tracklets(index, {"other": tracks}) == ids).all()  # of another sequence
    assert (joined_tracklets(replace(index, box=index.box + 500), {"clip": tracks}) == ids).all()  # other boxes


def test_logs(tmp_path: Path) -> None:
    result = tmp_path / "results" / "clip.txt"
    write_results(result, SCENE.frames, SCENE.ids, SCENE.boxes, SCENE.scores)
    log = tmp_path / "logs" / "log.jsonl"
    session = Session(read_tracks(result), result, log, target_of(result, None, (0, 0)), "clip")
    session.say({"do": "merge", "keep": 3, "other": 7})
    session.close()
    assert set(read_lessons([log])["clip"].ids.tolist()) == {3}
    with pytest.raises(InputError, match="a second log of clip"):
        read_lessons([log, log])
    result.unlink()
    with pytest.raises(InputError, match=r"clip.txt: cannot be read"):
        read_lessons([log])


@pytest.mark.slow
def test_adapt_learns_from_a_log(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, log = demo / "sort.txt", tmp_path / "log.jsonl"
    session = Session(read_tracks(result), result, log, target_of(result, tmp_path / "x.txt", (0, 0)), "demo")
    said = []
    for options in ([], ["--corrections", str(log)]):
        with pytest.raises(SystemExit) as ended:
            run("adapt", ["--seq", str(demo / "demo"), "--det", "det.txt", "--out", str(tmp_path / "x.npz"), *options])
        assert ended.value.code == 0
        said.append(capsys.readouterr().out)
        if not options:
            ids = set(session.table.ids.tolist())
            pairs = [(a, b) for a in sorted(ids) for b in sorted(ids) if a < b]
            for one, other in pairs:
                with suppress(InputError):  # seen at once, or merged
                    session.say({"do": "merge", "keep": one, "other": other})
            session.close()
    assert said[0] != said[1]  # wrong as these merges are, they are learnt from
