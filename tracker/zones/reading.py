"""Lines and zones from a file: GeoJSON (RFC 7946) whose coordinates are pixels of the picture, x to the right, y down.

A FeatureCollection of features, each a Polygon (a zone) or a LineString of two points (a line), with `properties.name`.
A list of features, one feature, bare geometries, points in place of rings and rings that are not closed do as well.
Further properties, as supervision names them: `anchors`, `require_all_anchors`, `minimum_crossing_threshold`; and
`patience`, seconds. Others are left alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from embedding.errors import quoted, shortened
from tracker.core.detections import LIMIT
from tracker.errors import InputError
from tracker.zones.shapes import ANCHORS, CORNERS, FEET, MOST_PIXELS, Line, Place, Point, Zone

MOST_BYTES = 10 << 20
MOST_PLACES, MOST_POINTS = 1000, 10_000  # in a file; of a zone
LONGEST_NAME = 80  # characters
EXPECTED = "expected GeoJSON: a FeatureCollection of Polygons and LineStrings in pixels"
PROPERTIES = ("name", "anchors", "require_all_anchors", "minimum_crossing_threshold", "patience")
GEOMETRIES = {"polygon": "zone", "linestring": "line"}
FAR = 0.25  # parts of the picture's sides; who draws over its edge stays closer


def read_zones(path: str | Path) -> list[Place]:
    """The lines and zones of a file, in its order.

    Raises:
        InputError: it cannot be read, is no such file, holds none, or one is damaged or has another's name.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise InputError(f"{path}: is larger than {MOST_BYTES >> 20} MB, {EXPECTED}")
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise InputError(f"{path}: is no JSON ({shortened(error)}), {EXPECTED}") from None
    return places_of(found, str(path))


def places_of(content: Any, path: str) -> list[Place]:
    """The same of what the file holds.

    Raises:
        InputError: as above.
    """
    features = _features(content)
    if features is None:
        raise InputError(f"{path}: holds {shortened(_kind(content))}, {EXPECTED}")
    if not features:
        raise InputError(f"{path}: holds no line and no zone")
    if len(features) > MOST_PLACES:
        raise InputError(f"{path}: holds {len(features)} features, expected at most {MOST_PLACES}")
    places: list[Place] = []
    known: dict[str, int] = {}
    for number, feature in enumerate(features, start=1):
        place = _Feature(feature, f"{path}, feature {number}", known).place()
        if place.name in known:
            raise InputError(
                f"{path}, feature {number}: is called {place.name!r} like feature {known[place.name]}, "
                "expected a name of its own"
            )
        known[place.name] = number
        places.append(place)
    return places


def doubts_about(places: Sequence[Place], size: tuple[int, int] | None) -> Iterator[str]:
    """What looks wrong with lines and zones on a picture of this width and height, a line each.

    Args:
        size: None where nobody knows.
    """
    for place in places:
        title = f"{place.kind} {place.name!r}"
        points = np.array(place.points)
        if size is not None:
            shown = f"the picture of {size[0]}x{size[1]}"
            reach = np.array(size) * FAR
            if (points.max(axis=0) < 0).any() or (points.min(axis=0) > size).any():
                yield f"{title} lies outside {shown}: drawn on another one?"
            elif ((points < -reach) | (points > size + reach)).any():
                x, y = points[((points < -reach) | (points > size + reach)).any(axis=1)][0]
                yield f"{title}: ({x:g}, {y:g}) is far outside {shown}: drawn on another one?"
        if isinstance(place, Zone) and _crosses_itself(place.points):
            yield f"{title} crosses its own border: where it lies on itself twice it is outside"


def _features(content: Any) -> list[Any] | None:
    """The features of a file, or None where it is of another kind."""
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("features"), list):
        return list(content["features"])
    if isinstance(content.get("geometries"), list):
        return list(content["geometries"])
    return [content] if "geometry" in content or "coordinates" in content else None


def _kind(content: Any) -> str:
    if isinstance(content, dict):
        return f"an object with {', '.join(map(str, content)) or 'nothing in it'}"
    names = {"str": "a text", "list": "a list", "NoneType": "null", "bool": "true or false"}
    return names.get(type(content).__name__, "a number")


class _Feature:
    """One feature of a file.

    Args:
        where: what it is called in messages.
        known: names that others have.
    """

    def __init__(self, feature: Any, where: str, known: dict[str, int]) -> None:
        self._where = where
        if not isinstance(feature, dict):
            raise self._error(f"is {shortened(_kind(feature))}, expected a feature with a geometry")
        geometry = feature.get("geometry", feature)
        if not isinstance(geometry, dict):
            raise self._error("has no geometry, expected a Polygon or a LineString")
        given = feature.get("properties")
        if given is not None and not isinstance(given, dict):
            raise self._error(f"properties are {quoted(given)}, expected an object or null")
        self._properties = {**{key: feature[key] for key in PROPERTIES if key in feature}, **(given or {})}
        self._type, self._coordinates = geometry.get("type"), geometry.get("coordinates")
        self._kind = GEOMETRIES.get(str(self._type).casefold())
        if self._kind is None:
            raise self._error(f"type is {quoted(self._type)}, expected Polygon or LineString")
        self._name = self._named(feature, known)

    def place(self) -> Place:
        self._check_properties()
        return self._line() if self._kind == "line" else self._zone()

    def _line(self) -> Line:
        points = self._points(self._coordinates)
        if len(points) != 2:
            raise self._error(f"has {len(points)} points, expected 2: a line has a start and an end; draw several")
        if points[0] == points[1]:
            raise self._error("starts where it ends, expected two points")
        return Line(
            self._name, points[0], points[1], self._anchors(CORNERS), self._threshold(), self._patience()
        )  # fmt: skip

    def _zone(self) -> Zone:
        rings = self._coordinates
        if isinstance(rings, list) and rings and all(_is_point(point) for point in rings):
            rings = [rings]
        if not isinstance(rings, list) or not rings:
            raise self._error("has no coordinates, expected rings of points")
        if len(rings) > 1:
            raise self._error(f"has {len(rings)} rings, expected one: a zone has no holes")
        points = self._points(rings[0])
        distinct = [
            point for point, following in zip(points, [*points[1:], points[0]], strict=True) if point != following
        ]
        if len(distinct) < 3:
            raise self._error(f"has {len(distinct)} different points, expected 3 at least")
        if not any(_turn(distinct[0], distinct[1], point) for point in distinct):
            raise self._error("has all its points on one line, expected an area")
        if len(distinct) > MOST_POINTS:
            raise self._error(f"has {len(distinct)} points, expected {MOST_POINTS} at most")
        width, height = np.ptp(np.array(distinct), axis=0)
        if (width + 1) * (height + 1) > MOST_PIXELS:
            raise self._error(f"is {width:.0f} pixels wide and {height:.0f} high, expected the size of a picture")
        if min(width, height) < 1:
            raise self._error(f"is {width:g} pixels wide and {height:g} high: are these pixels? expected an area")
        require_all = self._properties.get("require_all_anchors", True)
        if not isinstance(require_all, bool):
            raise self._error(f"require_all_anchors is {quoted(require_all)}, expected true or false")
        return Zone(
            self._name, tuple(distinct), self._anchors(FEET), require_all, self._threshold(), self._patience()
        )  # fmt: skip

    def _points(self, found: Any) -> list[Point]:
        if not isinstance(found, list) or not found:
            raise self._error("has no coordinates, expected points [x, y]")
        points = []
        for number, point in enumerate(found, start=1):
            if not _is_point(point):
                raise self._error(f"point {number} is {quoted(point)}, expected two numbers [x, y]")
            x, y = point[:2]
            if not (abs(x) < LIMIT and abs(y) < LIMIT):  # NaN too
                raise self._error(f"point {number} is {quoted(point)}, expected pixels")
            points.append((float(x), float(y)))
        return points

    def _named(self, feature: dict[str, Any], known: dict[str, int]) -> str:
        """`properties.name`, else the feature's id, else what it is with a number that nobody has."""
        found = self._properties.get("name", feature.get("id"))
        if found is None or found == "":
            return next(name for n in range(1, MOST_PLACES + 2) if (name := f"{self._kind} {n}") not in known)
        if isinstance(found, bool) or not isinstance(found, str | int | float):
            raise self._error(f"name is {quoted(found)}, expected a text")
        name = " ".join(str(found).split())
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise self._error(f"name is {quoted(found)}, expected up to {LONGEST_NAME} characters that can be printed")
        return name

    def _anchors(self, default: tuple[str, ...]) -> tuple[str, ...]:
        found = self._properties.get("anchors")
        if found is None:
            return default
        names = [found] if isinstance(found, str) else found
        if not isinstance(names, list) or not names:
            raise self._error(f"anchors are {quoted(found)}, expected a list of {', '.join(ANCHORS)}")
        plain = [str(name).casefold().replace("-", "_").replace(" ", "_") for name in names]
        for name, given in zip(plain, names, strict=True):
            if name not in ANCHORS:
                near = get_close_matches(name, ANCHORS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(ANCHORS)}"
                raise self._error(f"anchor {quoted(given)} is not known; {hint}")
        return tuple(dict.fromkeys(plain))

    def _threshold(self) -> int:
        found = self._properties.get("minimum_crossing_threshold", 1)
        if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= 10_000:
            raise self._error(f"minimum_crossing_threshold is {quoted(found)}, expected a number of frames from 1")
        return found

    def _patience(self) -> float | None:
        found = self._properties.get("patience")
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1e6:
            raise self._error(f"patience is {quoted(found)}, expected seconds from 0")
        return float(found)

    def _check_properties(self) -> None:
        """InputError where a property is nearly one of ours: it would be left alone without a word."""
        for key in self._properties:
            near = get_close_matches(key.casefold(), PROPERTIES, n=1, cutoff=0.85)
            if key not in PROPERTIES and near and near[0] not in self._properties:
                raise self._error(f"property {quoted(key)} is not known; did you mean {near[0]}?")

    def _error(self, what: str) -> InputError:
        name = getattr(self, "_name", None)
        return InputError(f"{self._where}{f' ({name!r})' if name else ''}: {what}")


def _is_point(point: Any) -> bool:
    """Whether it is two numbers, or three as GeoJSON allows."""
    return (
        isinstance(point, list)
        and len(point) in (2, 3)
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in point)
    )


def _crosses_itself(points: Sequence[Point]) -> bool:
    """Whether two sides that are not neighbours cross; of polygons with so few corners as a person draws."""
    count = len(points)
    if count > 200:
        return False
    for one, other in combinations(range(count), 2):
        if other - one in (1, count - 1):
            continue
        a, b, c, d = points[one], points[(one + 1) % count], points[other], points[(other + 1) % count]
        if _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0:
            return True
    return False


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
