"""A page on which a person draws lines and zones on a frame, and saves them as the file that is counted with."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from tracker.core.detections import Image
from tracker.output.pages.render import write_page
from tracker.zones.shapes import Place
from tracker.zones.writing import as_geojson

QUALITY = 88  # of the JPEG on the page: 300 KB at 1920x1080


def write_zone_page(
    path: Path, image: Image, name: str, frame_index: int, places: Sequence[Place], command: str
) -> None:
    """Write it, whole or not at all; it needs no server, no network and no other file.

    Args:
        image: BGR uint8 [H, W, 3], to draw on.
        name: of the sequence.
        places: that are there already.
        command: that counts with the file that is saved.

    Raises:
        InputError: nothing can be written there, or Jinja2 is not installed.
    """
    height, width = image.shape[:2]
    write_page(
        path,
        "zones.html",
        title=f"Zones and lines of {name}",
        name=name,
        frame=frame_index,
        picture=_data_url(image),
        width=width,
        height=height,
        places=as_geojson(places),
        command=command,
    )


def _data_url(image: Image) -> str:
    import cv2

    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode('ascii')}"
