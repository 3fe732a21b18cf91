"""Spaces as plain dictionaries, for files that hold no pickle."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces


def space_to_dict(space: spaces.Space[Any]) -> dict[str, Any]:
    """Describe a Box, Discrete, MultiDiscrete, MultiBinary space, or a Dict of such, JSON-able.

    :raises ValueError: a space of another kind
    """
    if isinstance(space, spaces.Box):
        return {
            "kind": "Box",
            "low": space.low.tolist(),
            "high": space.high.tolist(),
            "shape": list(space.shape),
            "dtype": str(space.dtype),
        }
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        numbers = {"nvec": space.nvec.tolist(), "start": space.start.tolist()}
        return {"kind": "MultiDiscrete", **numbers}
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "MultiBinary", "n": space.n if isinstance(space.n, int) else list(space.n)}
    if isinstance(space, spaces.Dict):
        parts = {name: space_to_dict(part) for name, part in space.spaces.items()}
        return {"kind": "Dict", "parts": parts}
    raise ValueError(
        f"a space of type {type(space).__name__} cannot be saved; flatten the environment's spaces"
    )


def space_from_dict(description: dict[str, Any]) -> spaces.Space[Any]:
    """Make the space that :func:`space_to_dict` described."""
    kind = description["kind"]
    if kind == "Dict":
        parts = description["parts"]
        return spaces.Dict({name: space_from_dict(part) for name, part in parts.items()})
    if kind == "Box":
        dtype = np.dtype(description["dtype"])
        low, high = (np.array(description[side], dtype=dtype) for side in ("low", "high"))
        kind_of_number: Any = dtype.type
        return spaces.Box(low, high, tuple(description["shape"]), kind_of_number)
    if kind == "Discrete":
        return spaces.Discrete(description["n"], start=description["start"])
    if kind == "MultiDiscrete":
        # older files tell no starts
        return spaces.MultiDiscrete(description["nvec"], start=description.get("start"))
    return spaces.MultiBinary(description["n"])
