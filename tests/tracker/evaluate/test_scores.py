"""The metrics: by hand, against trackeval's own MOTChallenge pipeline, against motmetrics, and on published results."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tracker.errors import InputError
from tracker.evaluate.cross_check import largest_differences, score_with_motmetrics, score_with_trackeval
from tracker.evaluate.scores import OVERALL, Rule, evaluate, load_scenes, prepare, score
from tracker.evaluate.table import COLUMNS, print_table, write_json
from tracker.files.motchallenge import TrackTable, read_tracks, write_results


def silent(line: str) -> None:
    pass


def table(rows: list[tuple[int, int, float]], class_ids: list[int] | None = None) -> TrackTable:
    """Tracks of 10 x 20 px boxes from (frame, id, left), in frame order."""
    frames, ids, left = (np.array(column) for column in zip(*rows, strict=True))
    boxes = np.stack((left, 0 * left, left + 10, 0 * left + 20), axis=1).astype(float)
    return TrackTable(frames, ids, boxes, np.ones(len(rows)), None if class_ids is None else np.array(class_ids))


def perturbed(truth: TrackTable, seed: int = 0) -> TrackTable:
    """A tracker's result made from ground truth: misses, jitter, false positives, identities renewed at times."""
    generator = np.random.default_rng(seed)
    counted = truth.scores != 0
    if truth.class_ids is not None:
        counted &= np.isin(truth.class_ids, (1, 2, 7, 8, 12))
    result = truth.select(counted & (generator.random(len(truth)) > 0.2))
    size = result.boxes[:, 2:] - result.boxes[:, :2]
    result.boxes = result.boxes + 0.05 * np.tile(size, 2) * generator.standard_normal((len(result), 4))
    stray = generator.random(len(result)) < 0.05
    result.boxes[stray] += 400.0
    result.ids = result.ids * 10 + (result.frames + 13 * result.ids) // 97 % 10
    return result


def test_a_case_worked_out_by_hand() -> None:
    # Object 1 is found in frames 1-4, by result 5 and from frame 3 by 6; object 2 only in frame 4; one stray result.
    truth = table([(1, 1, 0), (1, 2, 100), (2, 1, 0), (2, 2, 100), (3, 1, 0), (3, 2, 100), (4, 1, 0), (4, 2, 100)])
    result = table([(1, 5, 0), (2, 5, 0), (3, 6, 0), (3, 7, 300), (4, 6, 0), (4, 8, 102)])
    row = evaluate({"A": truth}, {"A": result})["A"]
    overlap = 8 / 12  # of two 10 px wide boxes 2 px apart
    assert row == pytest.approx(
        {
            "IDF1": 100 * 2 * 3 / (8 + 6),  # object 1 with 5 or 6: 2 boxes, object 2 with 8: 1
            "IDP": 100 * 3 / 6,
            "IDR": 100 * 3 / 8,
            "Recall": 100 * 5 / 8,
            "Precision": 100 * 5 / 6,
            "FAR": 1 / 4,
            "GT": 2,
            "MT": 1,  # object 1
            "PT": 1,  # object 2, a quarter
            "ML": 0,
            "FP": 1,
            "FN": 3,
            "IDs": 1,
            "FM": 0,
            "MOTA": 100 * (1 - (3 + 1 + 1) / 8),
            "MOTP": 100 * (4 + overlap) / 5,
            "MOTAL": 100 * (1 - (3 + 1 + np.log10(2)) / 8),
            "HOTA": row["HOTA"],  # this and AssA are left to the comparison with trackeval's pipeline
            "DetA": 100 * (13 * 5 / 9 + 6 * 4 / 10) / 19,  # TP / (TP + FN + FP); 13 of 19 thresholds take the 2/3 pair
            "AssA": row["AssA"],
        }
    )
    assert sorted(row) == sorted(COLUMNS)


def test_ground_truth_scored_against_itself_is_perfect() -> None:
    truth = table([(1, 1, 0), (1, 2, 100), (2, 1, 0), (5, 2, 100)])
    row = evaluate({"A": truth}, {"A": truth})[OVERALL]
    for column in ("IDF1", "Recall", "Precision", "MOTA", "MOTP", "MOTAL", "HOTA", "DetA", "AssA"):
        assert row[column] == pytest.approx(100.0)
    assert (row["FP"], row["FN"], row["IDs"], row["MT"]) == (0, 0, 0, 2)


@pytest.mark.parametrize(
    ("class_ids", "flag", "found", "false_positives", "missed"),
    [
        ([1, 1], 1, 2, 0, 0),  # two pedestrians, both found
        ([1, 2], 1, 1, 0, 0),  # a person on a vehicle: its result is neither right nor wrong
        ([1, 7], 1, 1, 0, 0),  # a static person, likewise
        ([1, 8], 1, 1, 0, 0),  # a distractor
        ([1, 12], 1, 1, 0, 0),  # a reflection
        ([1, 7], 0, 1, 0, 0),  # the flag does not matter there
        ([1, 3], 1, 1, 1, 0),  # a car: its result is wrong
        ([1, 1], 0, 1, 1, 0),  # a pedestrian that does not count is no distractor
        (None, 1, 2, 0, 0),  # MOT15: no classes, all flagged rows count
        (None, 0, 1, 1, 0),
    ],
)
def test_which_boxes_count(
    class_ids: list[int] | None, flag: int, found: int, false_positives: int, missed: int
) -> None:
    truth = table([(1, 1, 0), (1, 2, 100)], class_ids)
    truth.scores = np.array([1.0, flag])
    row = evaluate({"A": truth}, {"A": table([(1, 1, 0), (1, 2, 100)])})["A"]
    assert (row["FP"], row["FN"]) == (false_positives, missed)
    assert row["Recall"] == 100.0
    assert row["GT"] == found


def test_a_distractor_takes_a_result_only_if_it_is_its_best_match() -> None:
    # One result between a pedestrian (IoU 9/11) and a reflection (IoU 7/13): it belongs to the pedestrian.
    truth = table([(1, 1, 0), (1, 2, 4)], [1, 12])
    row = evaluate({"A": truth}, {"A": table([(1, 9, 1)])})["A"]
    assert (row["FP"], row["FN"]) == (0, 0)


@pytest.mark.parametrize(
    ("shift", "false_positives"),
    [
        (10 / 3, 0),  # IoU (10 - 10/3) / (10 + 10/3) = 1/2: the reflection takes the result
        (3.34, 1),  # just below a half
        (4.28, 1),  # 0.4
    ],
)
def test_a_distractor_takes_a_result_from_an_overlap_of_a_half(shift: float, false_positives: int) -> None:
    truth = table([(1, 1, 0), (1, 2, 100)], [1, 12])
    row = evaluate({"A": truth}, {"A": table([(1, 1, 0), (1, 2, 100 + shift)])})["A"]
    assert row["FP"] == false_positives


@pytest.mark.parametrize(
    ("name", "benchmark", "classes", "expected"),
    [
        ("MOT20-01", None, None, (10, 0)),  # a bicycle is a distractor there
        ("MOT20-01-FRCNN", None, None, (10, 0)),
        ("MOT16-02", None, None, (10, 10)),  # and a false positive elsewhere
        ("A", None, None, (10, 10)),
        ("A", "MOT20", None, (10, 0)),
        ("MOT20-01", "MOT17", None, (10, 10)),
        ("MOT20-01", "none", None, (10, 10)),
        ("A", "MOT15", None, (20, 0)),  # no classes: all are people
        ("A", None, (6,), (10, 10)),  # the bicycles are wanted, the people in the way
        ("MOT20-01", None, (6,), (10, 10)),  # what is wanted distracts nobody
        ("A", None, (1, 6), (20, 0)),
    ],
)
def test_the_benchmark_and_the_classes_say_which_boxes_count(
    name: str, benchmark: str | None, classes: tuple[int, ...] | None, expected: tuple[int, int]
) -> None:
    rows = [(frame, thing, 100 * thing) for frame in range(1, 11) for thing in (1, 2)]
    truth, result = table(rows, [1, 6] * 10), table(rows)
    row = evaluate({name: truth}, {name: result}, benchmark=benchmark, classes=classes)[name]
    assert (row["Recall"] * (row["FN"] == 0), row["FP"]) == (100.0, expected[1])
    assert prepare(truth, result, 10, Rule.of(name, benchmark, classes)).gt_ids.size == (
        expected[0] if benchmark != "MOT15" else 10  # where the table still has its classes
    )


def test_results_that_name_classes_are_chosen_from_with_the_classes_alone() -> None:
    rows = [(frame, thing, 100 * thing) for frame in range(1, 11) for thing in (1, 2)]
    truth, result, said = table(rows, [1, 3] * 10), table(rows, [1, 3] * 10), []
    assert evaluate({"A": truth}, {"A": result})["A"]["FP"] == 10  # by default a result is a person
    assert evaluate({"A": truth}, {"A": result}, classes=(3,), say=said.append)["A"]["MOTA"] == 100.0
    assert said == ["A: 10 results left out, their classes (1) are others"]
    unnamed = replace(truth, class_ids=None)
    assert evaluate({"A": unnamed}, {"A": table(rows)}, classes=(3,), say=said.append)["A"]["MOTA"] == 100.0
    assert said[1:] == ["A: ground truth names no classes, all of it counts"]


def test_boxes_without_area_are_missed_or_wrong_and_said() -> None:
    truth = table([(1, 1, 0), (1, 2, 100), (2, 1, 0), (2, 2, 100)])
    flat = replace(truth, boxes=truth.boxes * [1, 1, 1, 0])
    inverted = replace(truth, boxes=truth.boxes[:, [2, 1, 0, 3]])  # width -10
    said: list[str] = []
    for empty in (flat, inverted):
        mixed = replace(truth, boxes=np.concatenate((empty.boxes[:1], truth.boxes[1:])))
        for ours, theirs in ((mixed, truth), (truth, mixed), (mixed, mixed)):
            row = evaluate({"A": ours}, {"A": theirs}, say=said.append)["A"]
            assert (row["FN"], row["FP"]) == (1, 1)
    assert said[:2] == [
        "A: boxes without area in ground truth: 1, counted as missed",
        "A: boxes without area in the result: 1, counted as false positives",
    ]
    assert len(said) == 8
    for ours, theirs, what in ((flat, truth, "ground truth"), (truth, flat, "the result")):
        with pytest.raises(InputError, match=f"nothing matches. A: no box of {what} has an area"):
            evaluate({"A": ours}, {"A": theirs}, say=silent)


def test_overall_pools_counts() -> None:
    long = table([(frame, 1, 0) for frame in range(1, 9)])
    short = table([(1, 1, 0), (2, 1, 0)])
    rows = evaluate({"A": long, "B": short}, {"A": long, "B": table([(1, 1, 0), (2, 1, 500)])})
    assert rows["B"]["MOTA"] == pytest.approx(0.0)
    assert rows[OVERALL]["MOTA"] == pytest.approx(100 * (1 - 2 / 10))  # the mean over sequences would be 50
    assert rows[OVERALL]["FAR"] == pytest.approx(1 / 10)


def test_empty_frames_and_the_length_of_the_sequence(tmp_path: Path) -> None:
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.txt").write_text("3,1,0,0,10,20,1\n")
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nseqLength=20\n")
    result = table([(3, 1, 0), (9, 1, 0)])
    row = evaluate({"A": tmp_path / "gt" / "gt.txt"}, {"A": result})["A"]
    assert row["FAR"] == pytest.approx(1 / 20)
    with pytest.raises(InputError, match="A: results span frames 103 to 109, expected 1 to 20"):
        evaluate({"A": tmp_path / "gt" / "gt.txt"}, {"A": replace(result, frames=result.frames + 100)})


def test_sequences_without_a_partner_are_said() -> None:
    truth = table([(1, 1, 0)])
    said: list[str] = []
    rows = evaluate({"A": truth, "B": truth}, {"A": truth, "C": truth}, say=said.append)
    assert list(rows) == ["A", OVERALL]
    assert said == ["C: a result without ground truth, left out", "B: no result, left out, of OVERALL too"]
    rows = evaluate({"A": truth, "B": truth}, {"A": truth}, count_missing=True, say=said.append)
    assert rows["B"]["FN"] == 1
    assert rows[OVERALL]["MOTA"] == pytest.approx(50.0)
    with pytest.raises(InputError, match=r"no name in common: ground truth has A, B; results have a"):
        evaluate({"A": truth, "B": truth}, {"a": truth})


def test_an_empty_result_and_ground_truth_in_which_nothing_counts() -> None:
    truth = table([(1, 1, 0), (2, 1, 0)], [1, 1])
    nothing = truth.select(np.zeros(2, dtype=bool))
    said: list[str] = []
    with pytest.raises(InputError, match=r"nothing matches\. A: the result is empty"):
        evaluate({"A": truth}, {"A": nothing})
    rows = evaluate({"A": truth, "B": truth}, {"A": nothing, "B": truth}, say=said.append)
    assert (rows["A"]["MOTA"], rows["A"]["ML"], rows[OVERALL]["Recall"]) == (0.0, 1, 50.0)
    assert said == ["A: the result is empty"]


def test_a_sequence_in_which_nobody_counts_has_false_positives_only() -> None:
    """As in trackeval: no share of nothing, but OVERALL counts them."""
    truth = table([(1, 1, 0), (2, 1, 0)], [1, 1])
    nothing = truth.select(np.zeros(2, dtype=bool))
    cars, flagged = replace(truth, class_ids=np.array([3, 4])), replace(truth, scores=np.zeros(2))
    said: list[str] = []
    for nobody in (cars, flagged, nothing):
        scenes = load_scenes({"A": nobody, "B": truth}, {"A": truth, "B": truth}, count_missing=False, say=said.append)
        rows = score(scenes)
        assert (rows["A"]["FP"], rows["A"]["GT"], rows["A"]["MOTA"], rows["A"]["HOTA"]) == (2, 0, 0.0, 0.0)
        assert rows[OVERALL]["MOTA"] == 0.0  # two of B's are found, and A's two are wrong
        alone = {"A": scenes["A"]}
        for column, (difference, _) in largest_differences(score(alone), score_with_trackeval(alone)).items():
            assert difference == 0.0, column
        assert score(alone)[OVERALL]["MOTA"] == -200.0
    assert said == [
        f"A: nothing in ground truth counts, {found}; every result is a false positive"
        for found in ("rows have class 3, 4, expected 1", "no row has a flag but 0", "it is empty")
    ]
    row = evaluate({"A": cars}, {"A": nothing}, say=silent)["A"]  # which found nothing, rightly
    assert (row["FP"], row["FN"], row["MOTA"], row["FAR"]) == (0, 0, 0.0, 0.0)


def test_ids_and_frames_may_be_any_whole_numbers(tmp_path: Path) -> None:
    """Hashes, and pictures named by Unix time in milliseconds."""
    truth = walkers()
    large = replace(truth, ids=truth.ids + 5_000_000_000, frames=truth.frames * 40 + 1_700_000_000_000)
    write_results(tmp_path / "A.txt", large.frames, large.ids, large.boxes, large.scores)
    assert evaluate({"A": tmp_path / "A.txt"}, {"A": tmp_path / "A.txt"})["A"]["IDF1"] == 100.0


def walkers() -> TrackTable:
    """Two people who cross a 640 px wide view, fast enough that a frame's shift breaks every overlap."""
    return table([(frame, person, 50 + 15 * frame + 200 * person) for frame in range(1, 21) for person in (1, 2)])


def as_corners_read_as_sizes(truth: TrackTable) -> TrackTable:
    return replace(truth, boxes=np.concatenate((truth.boxes[:, :2], truth.boxes[:, :2] + truth.boxes[:, 2:]), axis=1))


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        (as_corners_read_as_sizes, "40 would if read as left, top, right, bottom"),
        (
            lambda t: replace(t, boxes=t.boxes + np.tile([5, 10], 2)),
            "40 would if read as centre x, centre y, width, height",
        ),
        (lambda t: replace(t, frames=t.frames + 1), "40 would with -1 on every frame number"),
        (lambda t: replace(t, frames=t.frames + 1000), "40 would with -1000 on every"),
        (lambda t: replace(t, boxes=t.boxes / 640), "fractions of the frame"),
        (
            lambda t: replace(t, boxes=t.boxes + 3000),
            r"results span frames 1-20, x 32\d+-3\d+, y .* same video and size",
        ),
    ],
)
def test_it_says_why_nothing_matches(slip, said: str) -> None:
    with pytest.raises(InputError, match=f"^nothing matches. A: .*{said}") as raised:
        evaluate({"A": walkers()}, {"A": slip(walkers())})
    assert "\n" not in str(raised.value)


def test_one_sequence_that_does_not_match_is_said_and_scored() -> None:
    said: list[str] = []
    rows = evaluate(
        {"A": walkers(), "B": walkers()}, {"A": walkers(), "B": as_corners_read_as_sizes(walkers())}, say=said.append
    )
    assert rows["B"]["Recall"] == 0.0
    assert len(said) == 1
    assert said[0].startswith("B: only 0 of 40 result boxes overlap ground truth; 40 would")


PUBLISHED = {  # DeepSORT's published output: MOTA, IDF1, IDs
    "MOT16-04": (63.98, 73.17, 53),
    "MOT16-09": (65.53, 61.47, 29),
    "MOT16-10": (63.12, 58.74, 133),
    "MOT16-11": (68.05, 64.73, 32),
    "MOT16-13": (60.50, 62.78, 200),
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.slow
def test_published_deepsort_output(shared: Path, name: str) -> None:
    gt = shared / "data" / "mot16" / name / "gt" / "gt.txt"
    row = evaluate({name: gt}, {name: shared / "data" / "reference" / "deepsort_poi" / f"{name}.txt"}, say=silent)[name]
    assert (round(row["MOTA"], 2), round(row["IDF1"], 2), row["IDs"]) == PUBLISHED[name]


@pytest.mark.parametrize("reference", ["deepsort_poi", "sort_sdp"])
@pytest.mark.slow
def test_equal_to_trackevals_own_pipeline(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], reference: str
) -> None:
    """Its files, its preprocessing, its metrics, on two sequences with distractors, and pooled."""
    from trackeval import Evaluator, datasets, metrics

    names = ["MOT16-09", "MOT16-11"]
    gt = {name: shared / "data" / "mot16" / name / "gt" / "gt.txt" for name in names}
    results = {name: shared / "data" / "reference" / reference / f"{name}.txt" for name in names}
    (tmp_path / "them" / "data").mkdir(parents=True)
    for name in names:
        shutil.copy(results[name], tmp_path / "them" / "data")
    dataset = datasets.MotChallenge2DBox(
        {
            "GT_FOLDER": str(shared / "data" / "mot16"),
            "TRACKERS_FOLDER": str(tmp_path),
            "BENCHMARK": "MOT16",
            "SKIP_SPLIT_FOL": True,
            "SEQ_INFO": dict.fromkeys(names),
            "PRINT_CONFIG": False,
        }
    )
    quiet = {"PRINT_CONFIG": False, "PRINT_RESULTS": False, "TIME_PROGRESS": False, "OUTPUT_SUMMARY": False}
    evaluator = Evaluator(quiet | {"OUTPUT_DETAILED": False, "PLOT_CURVES": False})
    config = {"PRINT_CONFIG": False}
    theirs, _ = evaluator.evaluate([dataset], [metrics.CLEAR(config), metrics.Identity(config), metrics.HOTA()])
    ours = evaluate(gt, results, say=silent)
    for name, key in [(name, name) for name in names] + [(OVERALL, "COMBINED_SEQ")]:
        them = theirs["MotChallenge2DBox"]["them"][key]["pedestrian"]
        for column, metric, field in [
            ("MOTA", "CLEAR", "MOTA"),
            ("MOTP", "CLEAR", "MOTP"),
            ("Recall", "CLEAR", "CLR_Re"),
            ("Precision", "CLEAR", "CLR_Pr"),
            ("IDF1", "Identity", "IDF1"),
            ("IDP", "Identity", "IDP"),
            ("IDR", "Identity", "IDR"),
            ("HOTA", "HOTA", "HOTA"),
            ("DetA", "HOTA", "DetA"),
            ("AssA", "HOTA", "AssA"),
        ]:
            assert ours[name][column] == pytest.approx(100 * np.mean(them[metric][field])), (name, column)
        for column, field in [("MT", "MT"), ("PT", "PT"), ("ML", "ML"), ("IDs", "IDSW"), ("FM", "Frag")]:
            assert ours[name][column] == them["CLEAR"][field], (name, column)
        assert ours[name]["FAR"] == pytest.approx(them["CLEAR"]["FP_per_frame"])
    capsys.readouterr()


@pytest.mark.parametrize("folder", ["mot15/TUD-Campus", "mot15/TUD-Stadtmitte", "mot16/MOT16-09"])
@pytest.mark.slow
def test_parity_with_trackeval_and_motmetrics(shared: Path, folder: str) -> None:
    """trackeval to the digit; motmetrics' identity too, its CLEAR nearly (see tracker.evaluate.cross_check)."""
    truth = read_tracks(shared / "data" / folder / "gt" / "gt.txt")
    scenes = load_scenes({"A": truth}, {"A": perturbed(truth)}, count_missing=False, say=silent)
    differences = largest_differences(score(scenes), score_with_motmetrics(scenes))
    for column in ("IDF1", "IDP", "IDR", "GT"):
        assert differences[column][0] == pytest.approx(0.0, abs=1e-9), column
    for column in ("Recall", "Precision", "MOTA", "MOTP"):
        assert differences[column][0] < 0.2, (column, differences[column])
    differences = largest_differences(score(scenes), score_with_trackeval(scenes))
    assert max(difference for difference, _ in differences.values()) < 1e-9


def test_scoring_is_blind_to_order_and_names_of_ids(shared: Path) -> None:
    truth = read_tracks(shared / "data" / "mot15" / "TUD-Campus" / "gt" / "gt.txt")
    result = perturbed(truth)
    renamed = replace(result, ids=10_000 - result.ids)
    ours, theirs = (score({"A": prepare(truth, tracks, 71)}) for tracks in (result, renamed))
    assert ours["A"] == pytest.approx(theirs["A"])


def example_rows() -> dict[str, dict[str, float]]:
    rows = evaluate({"MOT16-04": walkers()}, {"MOT16-04": walkers()})
    return {f"MOT16-{number:02}": rows["MOT16-04"] for number in range(7)} | {OVERALL: rows[OVERALL]}


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_is_never_cut(width: int) -> None:
    """At 160 columns a row a sequence; at 80 a row a column, since 20 columns do not fit."""
    printed = io.StringIO()
    print_table(example_rows(), Console(file=printed, width=width))
    lines = printed.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in printed.getvalue()
    assert printed.getvalue().count("100.00") == 8 * 11
    assert lines[0].split() == (list(COLUMNS) if width == 160 else list(example_rows()))


def test_a_piped_table_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(example_rows())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == list(COLUMNS)
    assert len({len(line.split()) for line in lines[1:]}) == 1
    assert all(line.isascii() for line in lines)


def test_json_holds_numbers(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "scores.json", example_rows())
    scores = json.loads((tmp_path / "new" / "scores.json").read_text())
    assert list(scores) == [*(f"MOT16-{number:02}" for number in range(7)), OVERALL]
    assert list(scores[OVERALL]) == list(COLUMNS)
    assert scores[OVERALL]["MOTA"] == 100.0


def test_results_written_by_us_are_scored(tmp_path: Path) -> None:
    truth = walkers()
    write_results(tmp_path / "A.txt", truth.frames, truth.ids, truth.boxes, truth.scores)
    assert evaluate({"A": truth}, {"A": tmp_path / "A.txt"})["A"]["MOTA"] == 100.0
