"""Random small data sets, scored here and by trackeval from the same files, with its reading and preprocessing.

Every layout of ground truth, every benchmark's distractors, boxes without area, ties, ids that are renewed or huge.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tracker.evaluate.scores import DISTRACTORS, OVERALL, Row, evaluate

LENGTH = 12  # frames
PERCENT = {"Recall": "CLR_Re", "Precision": "CLR_Pr"} | {
    name: name for name in ("MOTA", "MOTP", "IDF1", "IDP", "IDR", "HOTA", "DetA", "AssA")
}
COUNTS = {"FP": "CLR_FP", "FN": "CLR_FN", "IDs": "IDSW", "FM": "Frag", "MT": "MT", "PT": "PT", "ML": "ML"}
TAILS = {  # columns of ground truth -> what follows the flag
    8: "{class_id}",
    9: "{class_id},{visible:.2f}",  # MOT16 and later
    10: "{class_id},{truncated},{occluded}",  # VisDrone
    "padded": "{class_id},-1,-1",  # BoxMOT
    "MOT15": "{visible:.3f},{occluded},0",  # world coordinates
}


def trackevals_own(folder: Path, benchmark: str) -> dict[str, Row]:
    """What trackeval makes of FOLDER/gt/NAME/gt/gt.txt and FOLDER/them/data/NAME.txt, by name and pooled."""
    from trackeval import datasets, metrics

    names = sorted(path.name for path in (folder / "gt").iterdir())
    dataset = datasets.MotChallenge2DBox(
        {
            "GT_FOLDER": str(folder / "gt"),
            "TRACKERS_FOLDER": str(folder),
            "TRACKERS_TO_EVAL": ["them"],
            "BENCHMARK": benchmark,
            "SKIP_SPLIT_FOL": True,
            "SEQ_INFO": dict.fromkeys(names, LENGTH),
            "PRINT_CONFIG": False,
        }
    )
    data = {
        name: dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("them", name), "pedestrian") for name in names
    }
    quiet = {"PRINT_CONFIG": False}
    values: dict[str, dict[str, float]] = {name: {} for name in (*names, OVERALL)}
    for metric in (metrics.CLEAR(quiet), metrics.Identity(quiet), metrics.HOTA()):
        found = {name: metric.eval_sequence(data[name]) for name in names}
        for name, figures in (found | {OVERALL: metric.combine_sequences(found)}).items():
            values[name] |= figures
    return {
        name: {column: 100 * float(np.mean(here[key])) for column, key in PERCENT.items()}
        | {column: int(here[key]) for column, key in COUNTS.items()}
        for name, here in values.items()
    }


def random_sequence(
    generator: np.random.Generator, layout: int | str, crowd: int, classes: list[int]
) -> tuple[str, str, str]:
    """Text of a ground truth, of the same in which `classes` are trackeval's pedestrians, and of a result.

    Boxes lie on a coarse grid, so that they often overlap by exactly a half, or two equally well.
    """
    truth, relabelled, result = [], [], []
    class_of = generator.choice([1, 1, 1, *range(1, 14)], size=crowd)
    place, speed = generator.integers(0, 10, (crowd, 2)), generator.integers(-1, 2, (crowd, 2))
    size = generator.integers(2, 6, (crowd, 2))
    for frame in range(1, LENGTH + 1):
        found = {}
        for person in np.flatnonzero(generator.random(crowd) < 0.8).tolist():
            left, top = (place[person] + frame * speed[person]) * 4
            width, height = size[person] * 4 * (generator.random(2) > 0.02)
            flag = int(generator.random() < 0.9)
            visible, truncated, occluded = generator.random(), generator.integers(0, 2), generator.integers(0, 3)
            row = f"{frame},{person + 1},{left},{top},{width},{height},{flag}," + TAILS[layout]
            about = {"visible": visible, "truncated": truncated, "occluded": occluded}
            truth.append(row.format(class_id=class_of[person], **about))
            relabel = 1 if class_of[person] in classes else 3 if class_of[person] == 1 else class_of[person]
            relabelled.append(row.format(class_id=relabel, **about))
            if generator.random() < 0.8:
                number = 1 + person + crowd * generator.integers(0, 2) * (frame // 5)
                left, top = np.array([left, top]) + generator.integers(-1, 2, 2) * generator.choice([0, 1, 4])
                found[number] = (left, top, *(size[person] * 4 * (generator.random(2) > 0.02)))
        for stray in range(generator.integers(0, 3)):
            found[1000 + stray] = (*generator.integers(0, 40, 2), 8, 8)
        for number, box in sorted(found.items()):
            result.append(f"{frame},{number},{','.join(map(str, box))},{generator.random():.2f},-1,-1,-1")
    return tuple("".join(f"{line}\n" for line in lines) for lines in (truth, relabelled, result))


def shifted_ids(text: str, shift: int) -> str:
    rows = [line.split(",") for line in text.splitlines()]
    return "".join(",".join([row[0], str(int(row[1]) + shift), *row[2:]]) + "\n" for row in rows)


def compare_random(folder: Path, seed: int) -> None:
    """Score one random data set both ways and compare all that both give."""
    generator = np.random.default_rng(seed)
    benchmark = str(generator.choice([name for name in DISTRACTORS if name != "none"]))
    layout = "MOT15" if benchmark == "MOT15" else list(TAILS)[seed % 4]
    classes = [1] if benchmark == "MOT15" or generator.random() < 0.7 else generator.choice(13, 2, replace=False) + 1
    shift = int(generator.choice([0, 5_000_000_000]))  # trackeval makes an array as long as the largest id
    (folder / "them" / "data").mkdir(parents=True)
    names = [f"{benchmark}-{number:02}" for number in range(3)]
    for number, name in enumerate(names):
        crowd = int(generator.choice([1, 3, 6, 20]))
        ours, theirs, result = random_sequence(generator, layout, crowd, list(classes))
        if generator.random() < 0.1:
            result = ""
        if number == 2:  # something always matches
            ours = theirs = "".join(f"{frame},1,0,0,8,8,1,{classes[0]},1\n" for frame in range(1, LENGTH + 1))
            theirs = theirs.replace(f",1,{classes[0]},1\n", ",1,1,1\n")
            result = "".join(f"{frame},1,0,0,8,8,1,-1,-1,-1\n" for frame in range(1, LENGTH + 1))
        for root, text in (("ours", shifted_ids(ours, shift)), ("gt", theirs)):
            (folder / root / name / "gt").mkdir(parents=True)
            (folder / root / name / "gt" / "gt.txt").write_text(text)
        (folder / "them" / "data" / f"{name}.txt").write_text(result)
        (folder / f"{name}.txt").write_text(shifted_ids(result, shift))
    rows = evaluate(
        {name: folder / "ours" / name / "gt" / "gt.txt" for name in names},
        {name: folder / f"{name}.txt" for name in names},
        benchmark=None if benchmark == "MOT20" and seed % 2 else benchmark,  # its name says it too
        classes=None if list(classes) == [1] else list(map(int, classes)),
        say=lambda line: None,
    )
    for name, expected in trackevals_own(folder, benchmark).items():
        found = {column: rows[name][column] for column in expected}
        assert found == pytest.approx(expected, abs=1e-9), (seed, name)


@pytest.mark.parametrize("seed", range(40))
def test_equal_to_trackeval_on_random_data(tmp_path: Path, seed: int) -> None:
    compare_random(tmp_path, seed)
