"""One sequence from frames and detections to files: features and their cache, missing frames, video, descriptors."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import tracker.run.features
from embedding import Descriptor
from tracker import InputError, load_config
from tracker.files.motchallenge import read_detections, read_tracks, write_detections_npy
from tracker.input.frames import open_frames
from tracker.input.sequences import find_sequence, read_sequence
from tracker.run.job import Job
from tracker.run.pipeline import embed, run

LENGTH, WIDTH, HEIGHT = 16, 320, 120
CLOTHES = ((0, 0, 220), (220, 0, 0), (0, 200, 0))  # BGR
PEOPLE = len(CLOTHES)


def left_of(frame: int, person: int) -> int:
    """They start apart and walk through each other."""
    return (20, 140, 260)[person] + (5, 0, -5)[person] * frame


def render(folder: Path) -> Path:
    """A MOTChallenge folder with frames, ground truth and perfect detections."""
    for part in ("img1", "det", "gt"):
        (folder / part).mkdir(parents=True)
    detections = []
    for frame in range(1, LENGTH + 1):
        image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        for person, colour in enumerate(CLOTHES):
            left = left_of(frame, person)
            cv2.rectangle(image, (left, 20), (left + 29, 99), colour, -1)
            detections.append((frame, -1, left, 20, 30, 80, 0.9))
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), image)
    np.savetxt(folder / "det/det.txt", detections, fmt="%g", delimiter=",")
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nseqLength={LENGTH}\nframeRate=10\n")
    return folder


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("data") / "walk")


@pytest.fixture
def folder(rendered: Path, tmp_path: Path) -> Path:
    """A copy of the sequence to be spoiled."""
    return Path(shutil.copytree(rendered, tmp_path / "data" / "walk"))


def job(folder: Path, out: Path, config: str = "deepsort", **options: Any) -> Job:
    return Job(
        sequence=read_sequence(folder),
        config=load_config(config, options.pop("overrides", {})),
        detections=options.pop("detections", "det.txt"),
        descriptor=options.pop("descriptor", "colour"),
        out=out,
        **options,
    )


def identities(path: Path) -> dict[int, list[int]]:
    """The ids of each person's rows, told by where the boxes are."""
    result = read_tracks(path)
    found: dict[int, list[int]] = {person: [] for person in range(PEOPLE)}
    for frame, track, box in zip(result.frames, result.ids, result.boxes, strict=True):
        person = min(range(PEOPLE), key=lambda p: abs(left_of(int(frame), p) - box[0]))
        found[person].append(int(track))
    return found


def test_features_are_computed_kept_and_used_again(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(job(rendered, tmp_path / "first.txt"))
    assert (first.frames, first.tracks) == (LENGTH, PEOPLE)
    assert all(len(set(ids)) == 1 for ids in identities(first.out).values())
    (cache,) = tmp_path.glob("first.colour-*.npy")
    kept = read_detections(cache)
    assert kept.features is not None
    describe = Descriptor.load("colour")
    image = cv2.imread(str(rendered / "img1/000001.png"))
    np.testing.assert_allclose(kept.at(1).features, describe(image, kept.at(1).boxes), atol=1e-6)

    monkeypatch.setattr(tracker.run.features, "describe", refuse)
    before = first.out.read_bytes()
    assert run(job(rendered, tmp_path / "first.txt")).out.read_bytes() == before
    second = run(job(rendered, tmp_path / "second.txt", detections=str(cache), descriptor="none"))
    assert second.out.read_bytes() == before  # it is a file of detections like any other


def test_features_on_demand_track_as_well_and_cost_less(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    describe = Descriptor.__call__

    def count(self: Descriptor, image: Any, boxes: Any) -> Any:
        nonlocal asked
        asked += len(boxes)
        return describe(self, image, boxes)

    monkeypatch.setattr(Descriptor, "__call__", count)
    done = run(job(rendered, tmp_path / "out.txt", embed_when="ambiguous"))
    assert done.tracks == PEOPLE
    assert 0 < asked < LENGTH * PEOPLE
    assert not list(tmp_path.glob("*.npy"))  # not every detection has a feature: nothing to keep
    run(job(rendered, tmp_path / "out.txt"))
    before, asked = asked, 0
    run(job(rendered, tmp_path / "out.txt", embed_when="ambiguous"))
    assert asked == 0 < before  # kept ones are used


def test_a_table_with_features_is_what_a_run_computes(rendered: Path, tmp_path: Path) -> None:
    seen: list[tuple[float, float | None]] = []
    table = embed(read_sequence(rendered), "det.txt", "colour", lambda _, done, total: seen.append((done, total)))
    run(job(rendered, tmp_path / "out.txt"))
    kept = read_detections(next(tmp_path.glob("*.npy")))
    np.testing.assert_allclose(table.features, kept.features, atol=1e-6)
    np.testing.assert_array_equal(table.frames, kept.frames)
    assert seen == [(frame, LENGTH) for frame in range(1, LENGTH + 1)]


def test_the_cache_is_not_taken_for_that_of_other_frames(folder: Path, tmp_path: Path) -> None:
    run(job(folder, tmp_path / "out.txt"))
    (stale,) = tmp_path.glob("out.*.npy")
    for path in (folder / "img1").iterdir():  # replaced in place, as by another version of the video
        cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    run(job(folder, tmp_path / "out.txt"))
    (fresh,) = (path for path in tmp_path.glob("out.*.npy") if path != stale)
    assert not np.array_equal(np.load(fresh), np.load(stale))


def test_the_cache_is_not_taken_for_that_of_other_detections(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(job(folder, tmp_path / "out.txt"))
    (stale,) = tmp_path.glob("out.*.npy")
    lines = (folder / "det/det.txt").read_text().splitlines()
    (folder / "det/det.txt").write_text("\n".join(lines[:-1]))
    run(job(folder, tmp_path / "out.txt"))
    assert len(list(tmp_path.glob("out.*.npy"))) == 2
    shutil.copy(stale, next(path for path in tmp_path.glob("out.*.npy") if path != stale))
    run(job(folder, tmp_path / "out.txt"))  # and one that lies about it is computed again
    assert "does not belong to these detections; its features are computed again" in capsys.readouterr().err
    assert stale.read_bytes() not in [path.read_bytes() for path in tmp_path.glob("out.*.npy") if path != stale]


def test_looks_beat_places_where_people_cross(rendered: Path, tmp_path: Path) -> None:
    """Hidden while they cross, they come out on the other side: only their clothes tell who is who."""
    table = read_detections(rendered / "det/det.txt")
    crossing = np.isin(table.frames, range(10, 14))
    detections = tmp_path / "hidden.txt"
    rows = np.loadtxt(rendered / "det/det.txt", delimiter=",")
    np.savetxt(detections, rows[~crossing], fmt="%g", delimiter=",")
    wide = {"gating_threshold": 1e4}
    run(job(rendered, tmp_path / "looks.txt", detections=str(detections), overrides=wide))
    assert {len(set(ids)) for ids in identities(tmp_path / "looks.txt").values()} == {1}


@pytest.mark.parametrize("descriptor", ["none", "colour"])
def test_detections_with_features_need_no_frames(folder: Path, tmp_path: Path, descriptor: str) -> None:
    table = read_detections(folder / "det/det.txt")
    features = np.tile(np.eye(PEOPLE), (LENGTH, 1))
    write_detections_npy(folder / "det/det.npy", table.frames, table.boxes, table.scores, features)
    shutil.rmtree(folder / "img1")
    run(job(folder, tmp_path / "out.txt", detections="det.npy", descriptor=descriptor))
    assert {len(set(ids)) for ids in identities(tmp_path / "out.txt").values()} == {1}
    assert not list(tmp_path.glob("*.npy"))  # there was nothing to keep


def test_without_features_and_frames_the_run_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "img1")
    with pytest.raises(InputError, match=r"walk: frames are needed.*--descriptor none tracks by motion alone"):
        run(job(folder, tmp_path / "out.txt"))
    assert not (tmp_path / "out.txt").exists()
    assert run(job(folder, tmp_path / "out.txt", descriptor="none", config="flatsort")).tracks == PEOPLE
    assert run(job(folder, tmp_path / "sort.txt", config="sort")).tracks == PEOPLE


def test_an_unknown_descriptor_is_named(rendered: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="osnet"):
        run(job(rendered, tmp_path / "out.txt", descriptor="osnet"))
    assert list(tmp_path.iterdir()) == []


# --- missing and broken frames ---------------------------------------------------------------------------------------


def without_frame(folder: Path, *frames: int) -> None:
    """Remove frames and the detections in them."""
    for frame in frames:
        (folder / f"img1/{frame:06d}.png").unlink()
    rows = np.loadtxt(folder / "det/det.txt", delimiter=",")
    np.savetxt(folder / "det/det.txt", rows[~np.isin(rows[:, 0], frames)], fmt="%g", delimiter=",")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"interpolate": 3},  # and filled by tracks that are written in a second pass
        {"smooth": True},
        {"interpolate": 3, "video": True},
    ],
)
def test_missing_frames_without_detections_are_gaps(folder: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    without_frame(folder, 7, 8)
    video = {"video": tmp_path / "out.mp4"} if options.get("video") else {}
    run(job(folder, tmp_path / "out.txt", **{**options, **video}))
    result = read_tracks(tmp_path / "out.txt")
    assert result.frames[-1] == LENGTH  # not cut short by the number of frames that are there
    assert {len(set(ids)) for ids in identities(tmp_path / "out.txt").values()} == {1}
    assert (7 in result.frames) == bool(options.get("interpolate"))


@pytest.mark.parametrize("missing", [(1,), (7,), (15, 16)])
def test_missing_frames_with_detections_are_an_error(folder: Path, tmp_path: Path, missing: tuple[int, ...]) -> None:
    for frame in missing:
        (folder / f"img1/{frame:06d}.png").unlink()
    with pytest.raises(InputError, match=rf"frame {missing[0]} is missing, but det.txt has detections there"):
        run(job(folder, tmp_path / "out.txt"))
    assert files_beside(tmp_path, folder) == []


def test_a_broken_frame_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "img1/000009.png").write_bytes(b"\x89PNG, once")
    with pytest.raises(InputError, match=r"000009.png: cannot be decoded"):
        run(job(folder, tmp_path / "out.txt", video=tmp_path / "out.mp4", table=tmp_path / "out.csv"))
    assert files_beside(tmp_path, folder) == []


def files_beside(place: Path, folder: Path) -> list[Path]:
    """Files in `place`, hidden ones too, that are not of the sequence."""
    return [path for path in place.rglob("*") if path.is_file() and folder not in path.parents]


# --- video -----------------------------------------------------------------------------------------------------------


def test_video_in_and_out(rendered: Path, tmp_path: Path) -> None:
    shown = tmp_path / "shown.mp4"
    run(job(rendered, tmp_path / "images.txt", video=shown))
    with open_frames(shown) as frames:
        assert (frames.size, frames.frame_rate) == ((WIDTH, HEIGHT), 10)  # the rate of seqinfo.ini
        images = [image for _, image in frames]
    assert len(images) == LENGTH
    plain = cv2.imread(str(rendered / "img1/000016.png"))
    assert np.abs(images[-1].astype(int) - plain).max() > 60  # something is drawn
    again = replace(job(rendered, tmp_path / "video.txt"), sequence=find_sequence(str(shown)))
    again = replace(again, detections=str(rendered / "det/det.txt"))
    assert run(again).frames == LENGTH


def test_a_video_shorter_than_its_detections_is_an_error(folder: Path, tmp_path: Path) -> None:
    video = tmp_path / "walk.mp4"
    run(job(folder, tmp_path / "images.txt", config="sort", video=video))
    rows = np.loadtxt(folder / "det/det.txt", delimiter=",")
    rows = np.concatenate((rows, rows[-1:] + np.eye(1, rows.shape[1])))  # one in frame 17
    np.savetxt(tmp_path / "long.txt", rows, fmt="%g", delimiter=",")
    with pytest.raises(InputError, match=r"walk.mp4: frame 17 is missing, but .*long.txt has detections there"):
        run(
            replace(
                job(folder, tmp_path / "out.txt"),
                sequence=find_sequence(str(video)),
                detections=str(tmp_path / "long.txt"),
            )
        )
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100])
def test_an_unreadable_video_is_named(rendered: Path, tmp_path: Path, content: bytes) -> None:
    video = tmp_path / "bad.mp4"
    video.write_bytes(content)
    bad = replace(job(rendered, tmp_path / "out.txt"), sequence=find_sequence(str(video)))
    with pytest.raises(InputError, match=r"bad.mp4: cannot be opened"):
        run(replace(bad, detections=str(rendered / "det/det.txt")))
    assert not (tmp_path / "out.txt").exists()


def test_an_improved_video_shows_the_improved_tracks(rendered: Path, tmp_path: Path) -> None:
    rows = np.loadtxt(rendered / "det/det.txt", delimiter=",")
    np.savetxt(tmp_path / "gap.txt", rows[~np.isin(rows[:, 0], (8, 9))], fmt="%g", delimiter=",")
    gap = job(rendered, tmp_path / "out.txt", config="sort", detections=str(tmp_path / "gap.txt"))
    gap = replace(gap, config=load_config("sort", {"max_age": 5, "min_hits": 0}), interpolate=2)
    run(replace(gap, video=tmp_path / "out.mp4"))
    assert read_tracks(tmp_path / "out.txt").frames.tolist() == [f for f in range(1, LENGTH + 1) for _ in range(PEOPLE)]
    with open_frames(tmp_path / "out.mp4") as frames:
        images = dict(frames)
    for frame in (8, 9):
        plain = cv2.imread(str(rendered / f"img1/{frame:06d}.png"))
        assert np.abs(images[frame].astype(int) - plain).max() > 60


# --- stopping --------------------------------------------------------------------------------------------------------


def test_an_interrupted_run_leaves_nothing_but_what_it_had_described(rendered: Path, tmp_path: Path) -> None:
    def interrupt(doing: str, done: float, total: float | None) -> None:
        assert total == LENGTH
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job(rendered, tmp_path / "out.txt", video=tmp_path / "out.mp4", table=tmp_path / "out.csv"), interrupt)
    assert [path.suffix for path in tmp_path.iterdir()] == [".journal"]


def test_frames_of_every_number_are_told_to_the_tracker(folder: Path, tmp_path: Path) -> None:
    """With frames at hand the tracker sees the gap as time that passed: age counts it."""
    without_frame(folder, 6, 7, 8, 9)
    short = run(job(folder, tmp_path / "short.txt", overrides={"max_age": 3}))
    enough = run(job(folder, tmp_path / "enough.txt", overrides={"max_age": 4}))
    assert (short.tracks, enough.tracks) == (2 * PEOPLE, PEOPLE)


def test_detections_past_the_sequence_are_an_error(folder: Path, tmp_path: Path) -> None:
    with (folder / "det/det.txt").open("a") as file:
        file.write(f"{LENGTH + 3},-1,1,1,9,9,1\n")
    with pytest.raises(InputError, match=rf"det.txt: detections in frame {LENGTH + 3}, but walk has {LENGTH} frames"):
        run(job(folder, tmp_path / "out.txt", descriptor="none"))
    assert not (tmp_path / "out.txt").exists()


def test_without_a_result_file_nothing_is_written(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(replace(job(rendered, tmp_path / "out.txt"), out=None))
    assert (done.out, done.tracks) == (None, PEOPLE)
    assert not list(tmp_path.iterdir())


def test_a_summary_says_how_long_each_stage_took(rendered: Path, tmp_path: Path) -> None:
    timing = run(job(rendered, tmp_path / "out.txt", camera_motion="sparse")).timing
    assert set(timing) == {"decoding", "describing", "camera motion", "tracking", "writing"}
    assert all(seconds > 0 for seconds in timing.values())
    timing = run(job(rendered, tmp_path / "b.txt", config="sort", detections="hog")).timing
    assert set(timing) == {"decoding", "detecting", "tracking", "writing"}


def test_nothing_is_kept_beside_a_device(rendered: Path) -> None:
    run(job(rendered, Path("/dev/null"), descriptor="colour"))
    assert not list(Path("/dev").glob("null.*"))


def test_a_sheet_is_drawn_from_improved_tracks_too(rendered: Path, tmp_path: Path) -> None:
    run(job(rendered, tmp_path / "out.txt", sheet=tmp_path / "sheet.png", smooth=True))
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] > 2 * 640


# --- adaptation ------------------------------------------------------------------------------------------------------

AT_ONCE = {"adapt_minutes": 0.001}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a small untrained model of crops."""
    import torch

    from embedding.config import parse_model
    from embedding.vae.model import FlatVAE
    from embedding.vae.weights import save_model

    torch.manual_seed(0)
    layers = {"widths": [4]}
    encoder = {"kind": "vgg16", "width": 0.05, "norm": "batch"}
    config = parse_model({"latent_dim": 4, "encoder": encoder, "decoder": layers, "prior": layers}, "test")
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    data = {"kind": "crops", "scale": "standardised", "mean": [0.5] * 3, "std": [0.25] * 3}
    save_model(FlatVAE(config, (3, 64, 64)), path, {"data": data})
    return str(path)


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("done again")


@pytest.mark.slow
def test_a_descriptor_is_adapted_kept_and_used_again(
    rendered: Path, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = job(rendered, tmp_path / "out.txt", descriptor=model, **AT_ONCE)
    first = run(pickle.loads(pickle.dumps(asked)))  # as another process gets it
    assert first.frames == LENGTH
    (weights,) = tmp_path.glob("out.adapted-*.safetensors")
    (cache,) = tmp_path.glob("*.npy")
    assert {path.name for path in tmp_path.iterdir()} == {
        "out.txt",
        weights.name,
        weights.with_suffix(".json").name,
        cache.name,
    }
    kept = read_detections(cache).at(1)
    image = cv2.imread(str(rendered / "img1/000001.png"))
    np.testing.assert_allclose(kept.features, Descriptor.load(str(weights))(image, kept.boxes), atol=1e-4)
    assert cache.name.startswith(weights.stem)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"walk: adapting {model} to {LENGTH * PEOPLE} detections, 0.001 minutes of CPU time"
    assert said[-1].startswith("walk: the descriptor stays as it was: nothing to learn from: too few people")
    assert said[-1].endswith(f" -> {weights}")

    monkeypatch.setattr("embedding.training.adaptation.adapt", refuse)
    cache.unlink()
    before = first.out.read_bytes()
    assert run(asked).out.read_bytes() == before
    assert "held back, expected 200 (earlier run) -> " in capsys.readouterr().err


@pytest.mark.parametrize("changed", ["detections", "model", "minutes"])
@pytest.mark.slow
def test_adapted_weights_are_not_taken_for_those_of_something_else(
    folder: Path, tmp_path: Path, model: str, changed: str
) -> None:
    options = {"descriptor": model, **AT_ONCE}
    run(job(folder, tmp_path / "out.txt", **options))
    if changed == "detections":
        lines = (folder / "det/det.txt").read_text().splitlines()
        (folder / "det/det.txt").write_text("\n".join(lines[:-1]))
    elif changed == "model":
        (kept,) = tmp_path.glob("out.adapted-*.safetensors")
        options["descriptor"] = str(kept)
    else:
        options["adapt_minutes"] = 0.002
    run(job(folder, tmp_path / "out.txt", **options))
    assert len(list(tmp_path.glob("out.adapted-*.safetensors"))) == 2


def test_an_adapted_descriptor_is_what_tracking_uses(
    rendered: Path, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedding.training.adaptation import AdaptationSettings
    from embedding.training.held_back import AdaptationReport
    from embedding.vae.weights import load_model, read_record, save_model

    def adapt(
        base: Path, pack: Path, out: Path, settings: AdaptationSettings, progress: Any, writes_unchanged: bool, *_: Any
    ) -> AdaptationReport:
        assert len(np.load(pack, mmap_mode="r")) == LENGTH * PEOPLE
        fitted = load_model(base)
        fitted.latent_mean += 1
        save_model(fitted, out, {"data": read_record(base)["data"]})
        return AdaptationReport("adapted", "it was asked for", {})

    monkeypatch.setattr("embedding.training.adaptation.adapt", adapt)
    run(job(rendered, tmp_path / "out.txt", descriptor=model, **AT_ONCE))
    kept = read_detections(next(tmp_path.glob("*.npy"))).at(1)
    plain = Descriptor.load(model)(cv2.imread(str(rendered / "img1/000001.png")), kept.boxes)
    np.testing.assert_allclose(kept.features, plain - 1, atol=1e-4)


@pytest.mark.slow
def test_of_a_fused_descriptor_the_trained_part_is_adapted(
    rendered: Path, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(job(rendered, tmp_path / "out.txt", descriptor=f"{model}+colour", **AT_ONCE))
    (weights,) = tmp_path.glob("out.adapted-*.safetensors")
    (kept,) = tmp_path.glob("out.*.npy")
    features = read_detections(kept).features
    assert features is not None
    assert features.shape[1] == Descriptor.load(f"{weights}+colour").dimension
    run(job(rendered, tmp_path / "out.txt", descriptor=f"{model}+colour", **AT_ONCE))
    assert "(earlier run)" in capsys.readouterr().err


def test_parts_count_as_their_weights_say(rendered: Path, tmp_path: Path) -> None:
    run(job(rendered, tmp_path / "out.txt", descriptor="colour+0.5*pixels"))
    kept = read_detections(next(tmp_path.glob("out.*.npy")))
    assert kept.features is not None
    np.testing.assert_allclose(np.linalg.norm(kept.features[:, 2048:], axis=1), 0.5, atol=1e-5)


def test_a_detector_looks_once_at_each_frame_it_adapts_to(
    rendered: Path, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = read_detections(rendered / "det/det.txt")
    seen: list[Any] = []

    def detect(image: Any) -> Any:
        seen.append(image)
        return table.at(len(seen))

    monkeypatch.setattr("tracker.input.detectors.load_detector", lambda name: detect)
    summary = run(job(rendered, tmp_path / "out.txt", descriptor=model, detections="hog", **AT_ONCE))
    assert (summary.frames, len(seen)) == (LENGTH, LENGTH)
    run(job(rendered, tmp_path / "file.txt", descriptor=model, **AT_ONCE))
    assert (tmp_path / "out.txt").read_bytes() == (tmp_path / "file.txt").read_bytes()


def test_nobody_to_adapt_to(folder: Path, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "det/det.txt").write_text("")
    assert run(job(folder, tmp_path / "out.txt", descriptor=model, **AT_ONCE)).tracks == 0
    assert "the descriptor stays as it was: nothing to learn from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"descriptor": "colour"}, "descriptor 'colour': cannot be adapted"),
        ({"detections": "det.npy"}, "det.npy: has features, with which --adapt has nothing to do"),
        ({"detections": "late.txt"}, f"detections in frame {LENGTH + 1}, but walk has {LENGTH} frames"),
    ],
)
def test_what_cannot_be_adapted_to_is_named(
    folder: Path, tmp_path: Path, model: str, options: dict[str, Any], said: str
) -> None:
    table = read_detections(folder / "det/det.txt")
    features = np.ones((len(table), 3))
    write_detections_npy(folder / "det/det.npy", table.frames, table.boxes, table.scores, features)
    (folder / "det/late.txt").write_text(f"{LENGTH + 1},-1,1,1,9,9,1\n")
    with pytest.raises(InputError, match=said):
        run(job(folder, tmp_path / "out.txt", **{"descriptor": model, **AT_ONCE, **options}))
    assert files_beside(tmp_path, folder) == []


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "length", "message"),
    [
        (
            999_999_999,
            None,
            rf"det.txt: a detection in frame 999999999, the one before is in {LENGTH}, expected at most",
        ),
        (LENGTH + 1, 900_000_000, "walk: has 900000000 frames, expected at most 100000000"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"smooth": True}, {"interpolate": 10**9}])
def test_a_slip_of_a_digit_is_a_line(folder: Path, tmp_path: Path, frame, length, message, options) -> None:
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nseqLength={length}\n" if length else "[Sequence]\n")
    with (folder / "det/det.txt").open("a") as file:
        file.write(f"{frame},-1,1,1,9,9,1\n")
    with pytest.raises(InputError, match=message):
        run(job(folder, tmp_path / "out.txt", config="sort", descriptor="none", **options))
    assert files_beside(tmp_path, folder) == []


@pytest.mark.parametrize("options", [{}, {"smooth": True}, {"interpolate": 10**9}])
def test_pictures_far_apart_cost_nothing(folder: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    """The last picture is numbered 800 million; the frames between are not gone through."""
    (folder / "seqinfo.ini").unlink()
    (folder / f"img1/{LENGTH:06d}.png").rename(folder / "img1/800000000.png")
    rows = np.loadtxt(folder / "det/det.txt", delimiter=",")
    rows[rows[:, 0] == LENGTH, 0] = 800_000_000
    np.savetxt(folder / "det/det.txt", rows, fmt="%g", delimiter=",")
    summary = run(job(folder, tmp_path / "out.txt", overrides={"n_init": 1}, **options))
    assert summary.frames == LENGTH
    assert np.unique(read_tracks(tmp_path / "out.txt").frames).tolist() == [*range(1, LENGTH), 800_000_000]


@pytest.mark.parametrize("config", ["sort", "deepsort"])  # which need no frames, and do
@pytest.mark.parametrize("by_name", [True, False])
def test_pictures_named_by_the_time_are_consecutive(folder: Path, tmp_path: Path, config: str, by_name: bool) -> None:
    """From 10:59:52 over the full hour; detections by the numbers in the names, or counted."""
    (folder / "seqinfo.ini").unlink()
    rows = np.loadtxt(folder / "det/det.txt", delimiter=",")
    expected = run(job(folder, tmp_path / "plain.txt", config=config)).tracks
    for frame in range(1, LENGTH + 1):
        name = 105951 + frame if frame < 9 else 110000 + frame - 9
        (folder / f"img1/{frame:06d}.png").rename(folder / f"img1/cam_{name}.png")
        rows[rows[:, 0] == frame, 0] = name if by_name else frame
    np.savetxt(folder / "det/det.txt", rows, fmt="%g", delimiter=",")
    assert run(job(folder, tmp_path / "out.txt", config=config)).tracks == expected
    assert set(read_tracks(tmp_path / "out.txt").frames.tolist()) <= set(range(1, LENGTH + 1))


def test_the_folder_without_images_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "img1")
    (folder / "seqinfo.ini").write_text("[Sequence]\nimDir=pictures\n")
    with pytest.raises(InputError, match=r"the sequence has none, looked for images in .*walk.pictures"):
        run(job(folder, tmp_path / "out.txt"))


@pytest.mark.parametrize("second_pass", ["none", "fill"])
def test_blurred_people_are_in_no_picture_and_the_tracks_are_the_same(
    folder: Path, tmp_path: Path, second_pass: Any
) -> None:
    """Every frame is noise, so that whatever is blurred differs; the sheet shows frame 2 first, twice as large."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    for frame in range(1, LENGTH + 1):
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), noise)
    run(job(folder, tmp_path / "a.txt", second_pass=second_pass, sheet=tmp_path / "a.png", labels=()))
    run(job(folder, tmp_path / "b.txt", second_pass=second_pass, sheet=tmp_path / "b.png", labels=(), blur="people"))
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()
    first = [cv2.imread(str(tmp_path / name))[: 2 * HEIGHT, : 2 * WIDTH].astype(int) for name in ("a.png", "b.png")]
    differs = (np.abs(first[0] - first[1]) > 8).any(axis=2)
    for person in range(PEOPLE):
        left = 2 * left_of(2, person)
        assert differs[60:180, left + 10 : left + 40].mean() > 0.7
    assert not differs[:, 160:240].any()


def test_blur_without_a_picture_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--blur people: does nothing without --video"):
        run(job(folder, tmp_path / "a.txt", blur="people"))
