"""Pictures of what descriptors see: a map of the crops, rows of nearest neighbours, spectra of decoders' metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from embedding.retrieval import Labels, Metric, comparable, similarity
from tools.paper.plots import panels, save
from tools.paper.pyplot import pyplot

Crops = NDArray[np.uint8]  # BGR [N, height, width, 3]
Colour = tuple[int, int, int]  # RGB

WIDTH, HEIGHT, FRAME = 40, 80, 4  # pixels of a crop in a picture, a person's proportions, and of the frame around it
CANVAS = 2000  # pixels a side of the map
INCHES = 3.9 / 10  # of a crop's width in the rows of neighbours
NAMED = 10  # people that have a colour on the map; the palette has no more
QUERY: Colour = (0, 0, 0)
RIGHT: Colour = (27, 137, 70)
WRONG: Colour = (205, 45, 45)
OTHERS: Colour = (195, 195, 195)


def principal_components(features: NDArray[np.floating], count: int = 2) -> tuple[NDArray[np.float64], NDArray]:
    """Coordinates [N, count] along the directions of largest variance, and each one's share [count] of it."""
    centred = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    variance = np.square(singular)
    return left[:, :count] * singular[:count], variance[:count] / max(variance.sum(), np.finfo(np.float64).tiny)


def draw_map(crops: Crops, features: NDArray[np.floating], labels: Labels, title: str, path: Path) -> None:
    """The crops at the place of their features in the plane of largest variance.

    A crop that would cover another is a dot. The people with the most crops have a colour each.
    """
    places, share = principal_components(features)
    pixels = _on_canvas(places)
    names, colours = _colours_of_people(labels)
    canvas = np.zeros((CANVAS, CANVAS, 4), np.uint8)  # transparent, so that dots lie behind the crops
    shown = _apart(pixels)
    for row in np.flatnonzero(shown):
        _paste(canvas, framed(crops[row], colours[row]), pixels[row])
    figure, axes = panels(1, width=9.5, height=10.2)
    axis = axes[0, 0]
    axis.scatter(*pixels[~shown].T, c=colours[~shown] / 255, s=9, linewidths=0, zorder=1)
    axis.imshow(canvas, interpolation="bilinear", zorder=2)
    axis.set(xticks=[], yticks=[], title=title)
    axis.set_xlabel(f"first principal component, {share[0]:.0%} of the variance")
    axis.set_ylabel(f"second, {share[1]:.0%}")
    _colour_legend(figure, names, columns=6 if len(np.unique(labels.sequences)) == 1 else 4)
    save(figure, path)


def _on_canvas(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Middles [N, 2] of crops at these places [N, 2], in pixels, so that the whole crops fit."""
    low, high = places.min(axis=0), places.max(axis=0)
    border = np.array([WIDTH, HEIGHT]) // 2 + FRAME
    relative = (places - low) / np.where(high > low, high - low, 1)
    pixels: NDArray[np.int64] = np.round(relative * (CANVAS - 2 * border) + border).astype(np.int64)
    pixels[:, 1] = CANVAS - pixels[:, 1]  # images count their rows downwards
    return pixels


def _colour_legend(figure: Figure, meaning: Mapping[str, Colour], columns: int) -> None:
    """What the colours of frames and dots mean, under the whole figure."""
    handles = []
    for red, green, blue in meaning.values():
        handles.append(Line2D([], [], marker="s", linestyle="", color=(red / 255, green / 255, blue / 255)))
    figure.legend(handles, meaning, loc="outside lower center", ncols=columns, frameon=False, handletextpad=0.1)


def _colours_of_people(labels: Labels) -> tuple[dict[str, Colour], NDArray[np.int64]]:
    """Legend of the people with a colour, and a colour [N, 3] for each crop."""
    people, person, count = np.unique(
        np.stack([labels.sequences, labels.identities]), axis=1, return_inverse=True, return_counts=True
    )
    palette = np.round(255 * pyplot.get_cmap("tab10")(range(NAMED))[:, :3]).astype(np.int64)
    colours = np.tile(np.array(OTHERS), (people.shape[1], 1))
    legend: dict[str, Colour] = {}
    for colour, index in zip(palette, np.argsort(-count, kind="stable"), strict=False):
        colours[index] = colour
        legend[_person(labels, *people[:, index])] = tuple(colour.tolist())
    legend["others"] = OTHERS
    return legend, colours[person.ravel()]


def _person(labels: Labels, sequence: int, identity: int) -> str:
    """A person's number, with the sequence's where there are several: numbers are unique within one only."""
    return f"person {identity}" + (f" of sequence {sequence + 1}" if labels.sequences.any() else "")


def _apart(pixels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which crops [N] at these middles [N, 2] are drawn, so that none covers another; earlier ones go first."""
    shown = np.zeros(len(pixels), np.bool_)
    for row, place in enumerate(pixels):
        away = np.abs(pixels[shown] - place) > [WIDTH + 2 * FRAME, HEIGHT + 2 * FRAME]
        shown[row] = away.any(axis=1).all()
    return shown


def framed(crop: Crops, colour: NDArray[np.integer] | Colour) -> Crops:
    """One BGR crop [height, width, 3] as RGB in a person's proportions, with a frame of a colour."""
    import cv2

    image = cv2.resize(crop, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)[..., ::-1]
    picture = np.empty((HEIGHT + 2 * FRAME, WIDTH + 2 * FRAME, 3), np.uint8)
    picture[:] = np.asarray(colour)
    picture[FRAME:-FRAME, FRAME:-FRAME] = image
    return picture


def _paste(canvas: Crops, image: Crops, middle: NDArray[np.int64]) -> None:
    top, left = middle[1] - image.shape[0] // 2, middle[0] - image.shape[1] // 2
    region = canvas[top : top + image.shape[0], left : left + image.shape[1]]
    region[..., :3], region[..., 3] = image, 255


def draw_neighbours(
    crops: Crops,
    features: Mapping[str, NDArray[np.floating]],
    labels: Labels,
    path: Path,
    queries: int = 10,
    neighbours: int = 8,
    metric: Metric = "cosine",
) -> None:
    """For the same queries what each descriptor finds most alike: green frame the same person, red another.

    Args:
        crops: [N, height, width, 3].
        features: name -> [N, D].
        labels: of the N crops; the gallery of a query is `Labels.gallery`.
        queries: people, evenly spread over those who have a true match, one crop each.
        neighbours: crops a row.
    """
    rows = choose_queries(labels, queries)
    columns = 2
    size = {"width": INCHES * (neighbours + 1) + 1.7, "height": 0.4 + INCHES * HEIGHT / WIDTH * len(features)}
    figure, axes = panels(columns, -(-len(rows) // columns), **size)
    ranked = {name: _nearest(vectors, labels, rows, neighbours, metric) for name, vectors in features.items()}
    for number, axis in enumerate(axes.flat):
        if number < len(rows):
            found = {name: indices[number] for name, indices in ranked.items()}
            _draw_query(axis, crops, labels, int(rows[number]), found, neighbours)
        else:
            axis.set_axis_off()
    _colour_legend(figure, {"the query": QUERY, "the same person": RIGHT, "another person": WRONG}, columns=3)
    save(figure, path)


def choose_queries(labels: Labels, count: int) -> NDArray[np.int64]:
    """Rows of crops to look for: of `count` people, evenly spread, the middle one of the crops with a true match."""
    everyone = np.arange(len(labels))
    asked = (labels.gallery(everyone) & labels.same_person(everyone)).any(axis=1)
    rows = np.flatnonzero(asked)
    person = np.stack([labels.sequences[rows], labels.identities[rows]])
    _, number = np.unique(person, axis=1, return_inverse=True)
    middles = [rows[number == one][(number == one).sum() // 2] for one in np.unique(number)]
    chosen = np.unique(np.linspace(0, len(middles) - 1, min(count, len(middles))).round().astype(np.int64))
    return np.array(middles, np.int64)[chosen]


def _nearest(
    features: NDArray[np.floating], labels: Labels, rows: NDArray[np.int64], count: int, metric: Metric
) -> list[NDArray[np.int64]]:
    """The most alike gallery crops of each query, best first; fewer than `count` where the gallery is small."""
    vectors = comparable(features, metric)
    compared = labels.gallery(rows)
    score = np.where(compared, similarity(vectors[rows], vectors, metric), -np.inf)
    order = np.argsort(-score, axis=1, kind="stable")[:, :count]
    return [ranks[compared[query, ranks]] for query, ranks in enumerate(order)]


def _draw_query(
    axis: Axes, crops: Crops, labels: Labels, query: int, found: Mapping[str, NDArray[np.int64]], neighbours: int
) -> None:
    """The query at the left, a row of neighbours a descriptor at the right, the descriptor's name before it."""
    height, width = HEIGHT + 2 * FRAME, WIDTH + 2 * FRAME
    gap = width // 3
    canvas = np.full((len(found) * height, (neighbours + 1) * width + gap, 3), 255, np.uint8)
    canvas[:height, :width] = framed(crops[query], QUERY)
    for place, (name, indices) in enumerate(found.items()):
        for rank, index in enumerate(indices):
            same = labels.same_person(np.array([query]))[0, index]
            left = width + gap + rank * width
            image = framed(crops[index], RIGHT if same else WRONG)
            canvas[place * height : (place + 1) * height, left : left + width] = image
        axis.text(-10, (place + 0.5) * height, name, ha="right", va="center", fontsize=8)
    axis.imshow(canvas, interpolation="bilinear")
    who = _person(labels, labels.sequences[query], labels.identities[query])
    axis.set_title(f"{who}, frame {labels.frames[query]}", fontsize=9, loc="left")
    axis.set_axis_off()


def draw_spectra(spectra: Mapping[str, NDArray[np.floating]], path: Path) -> None:
    """Eigenvalues of each model's metric, largest first, in units of their mean c²: 1 everywhere is flat.

    Args:
        spectra: name -> [B, n] eigenvalues at B latents; the line is the median, the band the quartiles.
    """
    figure, axes = panels(1, width=7.5, height=4.6)
    axis = axes[0, 0]
    palette = pyplot.get_cmap("tab10")
    for place, (name, values) in enumerate(spectra.items()):
        ratio = np.sort(values, axis=1)[:, ::-1] / values.mean()
        lower, middle, upper = np.quantile(np.maximum(ratio, np.finfo(np.float32).tiny), (0.25, 0.5, 0.75), axis=0)
        number = np.arange(1, ratio.shape[1] + 1)
        axis.plot(number, middle, color=palette(place % NAMED), label=name, linewidth=1.6)
        axis.fill_between(number, lower, upper, color=palette(place % NAMED), alpha=0.2, linewidth=0)
    axis.axhline(1, color="grey", linewidth=0.8, linestyle=":", zorder=0)
    axis.set(yscale="log", xlabel="eigenvalue of the metric, largest first", ylabel="eigenvalue / mean eigenvalue c²")
    axis.grid(axis="y", linewidth=0.3, alpha=0.5)
    axis.legend(frameon=False, loc="lower left")
    save(figure, path)
