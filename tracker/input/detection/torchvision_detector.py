"""Detectors of torchvision, with the weights torchvision ships them with."""

from __future__ import annotations

from collections.abc import Collection
from urllib.error import URLError

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.models import detection, get_model, get_model_weights, list_models

from embedding.errors import InputError

MIN_SCORE = 0.25


class TorchvisionDetector:
    """A network of torchvision.models.detection: `boxes, scores, class_ids = detect(image)`.

    Args:
        name: as torchvision spells it, such as `fasterrcnn_resnet50_fpn_v2`; its default weights are fetched by
            torchvision's own loader on first use and kept in torch's cache.
        classes: ids or names of the weights' categories to keep; None for all of them.
        device: where it runs, `auto` for the GPU if there is one.

    Attributes:
        class_names: the weights' categories by id.
        class_ids: those that are kept; None for all.

    Raises:
        InputError: no such network or class, or its weights cannot be had.
    """

    def __init__(self, name: str, classes: Collection[int | str] | str | None = "person", device: str = "auto") -> None:
        names = list_models(module=detection)
        if name not in names:
            raise InputError(f"detector torchvision:{name}: not known, expected one of {', '.join(names)}")
        weights = get_model_weights(name).DEFAULT
        self.class_names: dict[int, str] = dict(enumerate(weights.meta["categories"]))
        self.class_ids = _class_ids(classes, self.class_names, name)
        self._prepare = weights.transforms()
        self._device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        try:
            self._model = get_model(name, weights=weights).eval().to(self._device)
        except (URLError, OSError, RuntimeError) as error:  # no network, no permission, a broken download
            message = f"detector torchvision:{name}: its weights cannot be loaded from {weights.url}: {error}"
            raise InputError(" ".join(message.split())) from error

    @torch.inference_mode()
    def __call__(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Corners [N, 4] in pixels, scores [N] and class ids [N] in a BGR uint8 image [H, W, 3]."""
        rgb = torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))).to(self._device)
        found = self._model([self._prepare(rgb)])[0]
        boxes, scores, labels = (found[key].cpu().numpy() for key in ("boxes", "scores", "labels"))
        kept = (scores >= MIN_SCORE) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        if self.class_ids is not None:
            kept &= np.isin(labels, list(self.class_ids))
        return boxes[kept].astype(np.float64), scores[kept].astype(np.float64), labels[kept].astype(np.int64)


def _class_ids(classes: Collection[int | str] | str | None, names: dict[int, str], model: str) -> frozenset[int] | None:
    if classes is None:
        return None
    ids: set[int] = set()
    for item in [classes] if isinstance(classes, str) else classes:
        found = {number for number, name in names.items() if item == number or str(item).casefold() == name.casefold()}
        if not found:
            known = f"0 to {len(names) - 1}, or one of {', '.join(names.values())}"
            raise InputError(f"detector torchvision:{model}: class {item}, expected {known}")
        ids |= found
    return frozenset(ids)
