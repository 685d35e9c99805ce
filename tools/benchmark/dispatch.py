"""What a step asks of its device: operations launched, and moments at which the host waits for an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

ASKS = {"aten::_local_scalar_dense", "aten::is_nonzero", "aten::nonzero", "aten::masked_select", "aten::equal"}
BOOKKEEPING = {  # of memory and of autograd: nothing runs on the device
    "aten::detach",
    "aten::empty",
    "aten::empty_like",
    "aten::empty_strided",
    "aten::lift_fresh",
    "aten::new_empty",
    "aten::new_empty_strided",
    "aten::alias",
}


class Dispatched(TorchDispatchMode):
    """Counts what is dispatched inside a `with` block, forward and backward.

    Attributes:
        operations: all, views and bookkeeping too: what the host has to do.
        launches: those that run something on the device.
        asked: those whose result the host reads, as `.item()`, `float()` and `bool()` do: on a GPU it waits for them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.launches = self.asked = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = function._schema.name
        is_view = any(value.alias_info and not value.alias_info.is_write for value in function._schema.returns)
        self.operations += 1
        self.launches += not is_view and name not in BOOKKEEPING
        self.asked += name in ASKS or _chooses_by_a_mask(name, args)
        return function(*args, **(kwargs or {}))


def _chooses_by_a_mask(name: str, args: tuple[Any, ...]) -> bool:
    """How many values an index of bools takes is known when it has been looked at."""
    return name.startswith("aten::index") and any(
        isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8)
        for index in (args[1] if len(args) > 1 and isinstance(args[1], list | tuple) else ())
    )


def dispatched(step: Callable[[], object]) -> Dispatched:
    """What one call of it dispatches."""
    with Dispatched() as count:
        step()
    return count
