"""Tracks on frames: every id its colour, coasting told from seen, trails that end, and a window where there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tracker.core.detections import Tracks
from tracker.errors import InputError
from tracker.output.drawing import (
    GAP,
    LABELS,
    Style,
    Trails,
    contact_sheet,
    draw_tracks,
    labels_of,
    line_width,
    require_window,
    show,
)
from tracker.output.palette import colour_of

COLOURS = np.array([[20, 40, 200], [200, 80, 30], [128, 128, 128]], np.uint8)  # BGR
GREY = np.full((200, 300, 3), 90, np.uint8)


def tracks(*boxes: list[float], ids: list[int] | None = None, coasting: bool = False) -> Tracks:
    count = len(boxes)
    return Tracks(
        ids=np.array(ids or range(1, count + 1), np.int64),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        scores=np.ones(count),
        detection=np.full(count, -1) if coasting else np.arange(count),
        class_ids=np.full(count, -1),
    )


def of_colour(image: np.ndarray, track: int) -> np.ndarray:
    return (image == np.array(colour_of(track), np.uint8)).all(axis=2)


def test_boxes_are_drawn_where_they_are_and_the_frame_is_kept() -> None:
    image = GREY.copy()
    drawn = draw_tracks(image, tracks([50, 60, 120, 160], [200, 60, 250, 150]))
    assert (image == GREY).all()
    for track, (left, top, right, bottom) in ((1, (50, 60, 120, 160)), (2, (200, 60, 250, 150))):
        rows, columns = np.nonzero(of_colour(drawn, track))
        assert of_colour(drawn, track)[top : bottom + 1, [left, right]].all()
        assert (rows.max(), columns.min(), columns.max()) == (bottom, left, right)
        assert rows.min() < top  # the label stands on the box


def test_a_coasting_box_is_dashed() -> None:
    box = [50, 60, 120, 160]
    edge = {
        coasting: of_colour(draw_tracks(GREY, tracks(box, coasting=coasting)), 1)[61:160, 120].mean()
        for coasting in (0, 1)
    }
    assert edge[0] == 1
    assert 0.3 < edge[1] < 0.7


def test_the_nearer_box_is_drawn_over_the_farther() -> None:
    near, far = [100, 50, 200, 190], [80, 40, 220, 150]
    drawn = draw_tracks(GREY, tracks(near, far))
    assert of_colour(drawn, 1)[150, [100, 200]].all()  # where the far box's lower edge crosses the near one


@pytest.mark.parametrize(
    "box",
    [
        [-50, -50, 20, 20],  # over the corner
        [1000, 1000, 1100, 1100],  # outside
        [-1e12, -1e12, 1e12, 1e12],  # a filter gone astray
        [10, 0, 40, 199],  # no room above for the label
    ],
)
@pytest.mark.parametrize("coasting", [False, True])
def test_boxes_that_leave_the_frame_can_be_drawn(box: list[float], coasting: bool) -> None:
    assert draw_tracks(GREY, tracks(box, coasting=coasting), Trails()).shape == GREY.shape


def test_no_tracks_leave_the_frame_as_it_is() -> None:
    assert (draw_tracks(GREY, tracks(), Trails()) == GREY).all()


def test_the_label_stays_inside_the_frame() -> None:
    drawn = draw_tracks(GREY, tracks([280, 0, 299, 199], ids=[12345]))
    assert of_colour(drawn, 12345)[:20].sum() > 200


def test_trails_follow_the_feet_and_end() -> None:
    trails = Trails(length=5)
    for step in range(8):
        trails.update(tracks([step, 0, step + 10, 20]))
    np.testing.assert_array_equal(trails.visible()[1], [[5 + step, 20] for step in range(3, 8)])
    trails.update(tracks([50, 0, 60, 20], ids=[2]))
    assert list(trails.visible()) == [2]  # unseen, but remembered
    trails.update(tracks([8, 0, 18, 20]))
    assert len(trails.visible()[1]) == 5
    for _ in range(7):
        trails.update(tracks())
    trails.update(tracks([100, 0, 110, 20]))
    assert len(trails.visible()[1]) == 1  # forgotten: nothing is kept for ids that never come back


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
def test_live_window_without_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match="no display"):
        require_window()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
@pytest.mark.parametrize("display", [":77", "nowhere.invalid:3", "nonsense"])
def test_live_window_on_a_display_where_nobody_is(monkeypatch: pytest.MonkeyPatch, display: str) -> None:
    """Qt would end this very process."""
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    with pytest.raises(InputError, match=f"none can be opened on {display}"):
        require_window()


def test_live_window_where_one_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    asked = []
    monkeypatch.setattr("subprocess.run", lambda program, **_: asked.append(program) or SimpleNamespace(returncode=0))
    require_window()
    assert "namedWindow" in asked[0][-1]


def test_live_window_of_an_opencv_without_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    def unsupported(*_: object) -> None:
        raise cv2.error("The function is not implemented")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "imshow", unsupported)
    with pytest.raises(InputError, match="no window support"):
        show(GREY)


@pytest.mark.parametrize(
    ("key", "visible", "goes_on"),
    [
        (-1, 1.0, True),  # nothing pressed
        (ord("x"), 1.0, True),  # another key
        (ord("q"), 1.0, False),  # quit
        (27, 1.0, False),  # Esc
        (-1, 0.0, False),  # closed with the mouse
    ],
)
def test_live_window_ends_when_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, key: int, visible: float, goes_on: bool
) -> None:
    import cv2

    monkeypatch.setenv("DISPLAY", ":0")
    for name, result in (
        ("imshow", None),
        ("waitKey", key),
        ("getWindowProperty", visible),
        ("destroyAllWindows", None),
    ):
        monkeypatch.setattr(cv2, name, lambda *_, result=result: result)
    assert show(GREY) is goes_on


def plain(colour: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.broadcast_to(colour, (size[1], size[0], 3)).copy()


def test_contact_sheet_is_laid_out_row_by_row(tmp_path: Path) -> None:
    path = contact_sheet([plain(colour, (20, 10)) for colour in COLOURS[:3]], columns=2, path=tmp_path / "sheet.png")
    sheet = cv2.imread(str(path))
    assert sheet.shape == (2 * 10 + GAP, 2 * 20 + GAP, 3)
    assert (sheet[:10, :20] == COLOURS[0]).all()
    assert (sheet[:10, 20 + GAP :] == COLOURS[1]).all()
    assert (sheet[10 + GAP :, :20] == COLOURS[2]).all()
    assert (sheet[10 + GAP :, 20 + GAP :] == 255).all()  # the empty place


@pytest.mark.parametrize("images", [[], [plain(COLOURS[0], (4, 4)), plain(COLOURS[0], (4, 5))]])  # none; two sizes
def test_contact_sheet_needs_images_of_one_size(tmp_path: Path, images: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="images"):
        contact_sheet(images, 2, tmp_path / "sheet.png")


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (("id",), "7"),
        (("score", "id"), "7 0.91"),  # always in the same order
        (("id", "class", "score"), "7 car 0.91"),
        ((), ""),
    ],
)
def test_labels_say_what_was_chosen(labels: tuple[str, ...], shown: str) -> None:
    assert Style(labels, {2: "car"}).label(7, 2, 0.914) == shown


def test_who_coasts_has_no_score_and_who_has_no_class_none() -> None:
    assert Style(LABELS, {2: "car"}).label(7, 3, None) == "7"


def test_without_labels_nothing_stands_on_the_box() -> None:
    drawn = draw_tracks(GREY, tracks([50, 60, 120, 160]), style=Style(()))
    assert (drawn[:58] == GREY[:58]).all()


@pytest.mark.parametrize("text", ["name", "id,", "", "none,id"])
def test_unknown_labels_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="is none of id, class, score; or none"):
        labels_of(text)


@pytest.mark.parametrize(
    ("size", "pixels"),
    [((640, 480), 2), ((960, 540), 2), ((1920, 1080), 3), ((1080, 1920), 3), ((3840, 2160), 6), ((320, 200), 1)],
)
def test_lines_grow_with_the_picture(size: tuple[int, int], pixels: int) -> None:
    assert line_width(np.zeros((size[1], size[0], 3), np.uint8)) == pixels


def test_overlays_are_drawn_below_the_boxes_and_told_the_frame() -> None:
    seen = []

    def overlay(image: np.ndarray, frame_index: int, shown: Tracks) -> None:
        image[:] = 10
        seen.append((frame_index, shown.ids.tolist()))

    drawn = draw_tracks(GREY, tracks([50, 60, 120, 160]), style=Style(overlays=(overlay,)), frame_index=12)
    assert seen == [(12, [1])]
    assert (drawn[190, 290] == 10).all() and of_colour(drawn, 1)[160, 60:110].all()
    assert (GREY == 90).all()
