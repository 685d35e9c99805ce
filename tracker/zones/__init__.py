"""Lines and zones on the picture: who crossed, who is inside and for how long.

Imports `tracker.core` and, on use, OpenCV. Arrays in, arrays out: `shapes` says on which side boxes are, `crossings`
who changed it, `counting` keeps the totals; `reading` and `writing` are the files.
Public: `Line`, `Zone`, `ZoneCounter`, `Times`, `read_zones`.
"""

from tracker.zones.counting import ZoneCounter
from tracker.zones.reading import read_zones
from tracker.zones.shapes import ANCHORS, Line, Place, Zone
from tracker.zones.times import Times

__all__ = ["ANCHORS", "Line", "Place", "Times", "Zone", "ZoneCounter", "read_zones"]
