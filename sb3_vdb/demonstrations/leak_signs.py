"""Signs by which expert and agent can be told apart for a reason that is no behaviour: one function
a sign, each on one array of the expert and one of the agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MIN_STARTS = 5  # of episodes, before first observations are compared
RIDGE = 1e-3  # of the probe, of a column's variance
TELLS_APART = 0.99  # share that a probe gets right on episodes that it has not seen
DECIMALS = range(5)  # to which values may have been rounded
ON_GRID = 1e-4  # of a step of the grid, within which a value lies on it
BLOCK = 8  # pixels, of JPEG and most video codecs
STACK = (3, 1)  # channels of a frame
FOLLOWS = (0.5, 0.95)  # share of steps at which stacked frames move on, at most and at least
REPEATS = (0.02, 0.3)  # share of steps that show nothing new, at most and at least
SMALL_ACTIONS = 0.05  # of the bounds
COLUMNS_SHOWN = 5


class Leak(NamedTuple):
    """A sign that tells expert from agent without looking at behaviour.

    :param where: part of the observations, or ``"actions"``
    :param what: what differs, with the numbers
    :param remedy: what to do
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


def start_leaks(where: str, expert: Array, agent: Array) -> list[Leak]:
    """Compare first observations, which no policy has a hand in: entry by entry, then all together
    by a linear probe on episodes that it has not seen.

    :param where: name of the part
    :param expert: first observations, shape (n_episodes, n)
    :param agent: those of the environment, shape (n_resets, n)
    """
    if len(expert) < MIN_STARTS or len(agent) < MIN_STARTS:
        return []
    e, a = expert.astype(np.float64), agent.astype(np.float64)
    apart = (e.min(axis=0) > a.max(axis=0)) | (e.max(axis=0) < a.min(axis=0))
    remedy = (
        "record them from the environment's own resets, raw: neither normalised, nor scaled, nor "
        "compressed; or leave these entries out of what the discriminator sees (`view`)"
    )
    if apart.any():
        columns = np.flatnonzero(apart)
        first = int(columns[0])
        what = (
            f"first observations never overlap in entries {_listed(columns)}: entry {first} is "
            f"{_range(e[:, first])} in the demonstrations, {_range(a[:, first])} after a reset"
        )
        return [Leak(where, what, remedy)]
    right = _probe(e, a)
    if right >= TELLS_APART:
        what = f"a linear probe tells first observations apart ({100 * right:.0f} % right)"
        return [Leak(where, what, remedy)]
    return []


def rounding_leaks(where: str, expert: Array, agent: Array) -> list[Leak]:
    """Look for values of the expert that lie on a grid, on which the agent's do not.

    :param where: name of the part
    :param expert: shape (n, ...), floats
    :param agent: shape (m, ...)
    """
    if not (np.issubdtype(expert.dtype, np.floating) and np.issubdtype(agent.dtype, np.floating)):
        return []
    grids = {f"{k} decimals": 10.0**k for k in DECIMALS}
    for name, scale in grids.items():
        if _on_grid(expert, scale) > TELLS_APART > 0.9 > _on_grid(agent, scale):
            return [_rounded(where, name)]
    halves = [
        float(np.mean(values == values.astype(np.float16).astype(values.dtype)))
        for values in (expert, agent)
    ]
    if halves[0] > TELLS_APART > 0.9 > halves[1]:
        return [_rounded(where, "float16")]
    return []


def _rounded(where: str, to: str) -> Leak:
    what = f"all values of the demonstrations are rounded to {to}, the environment's are not"
    remedy = "bring them unrounded, or round the environment's as well, in a wrapper"
    return Leak(where, what, remedy)


def _on_grid(values: Array, scale: float) -> float:
    """Give the share of values that are not 0 and lie on a grid of 1 / scale."""
    some = values[values != 0].astype(np.float64) * scale
    return float(np.mean(np.abs(some - np.rint(some)) < ON_GRID)) if some.size else 0.0


def picture_leaks(where: str, expert: Array, agent: Array) -> list[Leak]:
    """Compare what compression changes in pictures: number of colours, seams between blocks, fine
    grain.

    :param where: name of the part
    :param expert: uint8, channels last, shape (n, height, width, channels)
    :param agent: shape (m, height, width, channels)
    """
    measures = {
        "the number of grey levels in a picture": _n_levels,
        "the step across seams of blocks of 8 pixels": _seams,
        "the fine grain": _grain,
    }
    found = []
    for name, measure in measures.items():
        e, a = measure(expert), measure(agent)
        if e.min() > a.max() or e.max() < a.min():
            found.append(f"{name} ({_range(e)} in the demonstrations, {_range(a)} here)")
    if not found:
        return []
    remedy = (
        "this is what JPEG, a video codec or another renderer leaves; bring the pictures raw (npz, "
        "png, gif; Minari without JPEG), or send the environment's through the same compression"
    )
    return [Leak(where, f"every picture is told by {', and '.join(found)}", remedy)]


def _n_levels(pictures: Array) -> npt.NDArray[np.float64]:
    return np.array([len(np.unique(each)) for each in pictures], dtype=np.float64)


def _seams(pictures: Array) -> npt.NDArray[np.float64]:
    """Give the mean step between columns across seams, over that elsewhere."""
    steps = np.abs(np.diff(pictures.astype(np.float32), axis=2)).mean(axis=(1, 3))
    across = np.arange(1, pictures.shape[2]) % BLOCK == 0
    if not across.any() or across.all():
        return np.ones(len(pictures))
    inside = steps[:, ~across].mean(axis=1)
    return np.asarray((steps[:, across].mean(axis=1) + 1.0) / (inside + 1.0), dtype=np.float64)


def _grain(pictures: Array) -> npt.NDArray[np.float64]:
    """Give the share of neighbouring pixels that differ by 1 to 4 levels."""
    steps = np.abs(np.diff(pictures.astype(np.int16), axis=2))
    return np.asarray(((steps > 0) & (steps < 5)).mean(axis=(1, 2, 3)), dtype=np.float64)


def stacking_leaks(where: str, expert: Array, agent: Array) -> list[Leak]:
    """Compare whether the older frames of a stack are the newer ones of the step before.

    :param where: name of the part
    :param expert: observations and those one step later, channels last, shape (2, n, height, width,
        channels)
    :param agent: the same of the agent
    """
    for size in STACK:
        if expert.shape[-1] % size or expert.shape[-1] <= size or not min(len(expert[0]), 1):
            continue
        e, a = (_follows(pairs, size) for pairs in (expert, agent))
        low, high = FOLLOWS
        if (e < low and a > high) or (a < low and e > high):
            what = (
                f"stacked frames move on at {100 * e:.0f} % of the demonstrated steps, in the "
                f"environment at {100 * a:.0f} %"
            )
            return [Leak(where, what, "stack both in the same way, newest frame last")]
    return []


def _follows(pairs: Array, size: int) -> float:
    older, newer = pairs[1][..., :-size], pairs[0][..., size:]
    same = (older == newer).reshape(len(older), -1).mean(axis=1)
    return float(np.mean(same > TELLS_APART)) if len(same) else 0.0


def repetition_leaks(where: str, expert: Sequence[Array], agent: Sequence[Array]) -> list[Leak]:
    """Look for demonstrated steps that show the same observation again and then move on: another
    frame rate. Who stands still does not move on.

    :param where: name of the part
    :param expert: observations in the order of time, shape (length, ...), one array an episode
    :param agent: the same of the agent
    """
    e, a = (_share_of_repeats(each) for each in (expert, agent))
    low, high = REPEATS
    if e < high or a > low:
        return []
    what = f"{100 * e:.0f} % of the demonstrated steps repeat the observation, here {100 * a:.0f} %"
    remedy = "the frame rate differs: drop repeated frames, or set the environment's action repeat"
    return [Leak(where, what, remedy)]


def _share_of_repeats(episodes: Sequence[Array]) -> float:
    """Give the share of steps that repeat an observation before a step that does not."""
    shares = []
    for each in episodes:
        repeats = (each[1:] == each[:-1]).reshape(len(each) - 1, -1).all(axis=1)
        shares.append(float(np.mean(repeats[:-1] & ~repeats[1:])) if len(repeats) > 1 else 0.0)
    return float(np.mean(shares))


def action_leaks(expert: Array, low: Array, high: Array) -> list[Leak]:
    """Look for actions on another scale than the space's.

    :param expert: actions of a Box, shape (n, ...)
    :param low: of the space
    :param high: of the space
    """
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return []
    share = float(np.abs(expert).max() / max(float(np.abs(low).max()), float(np.abs(high).max())))
    if share > SMALL_ACTIONS:
        return []
    what = f"none goes beyond {100 * share:.1f} % of the bounds of the space"
    return [Leak("actions", what, "they may be scaled otherwise; give them in the space's units")]


def _probe(expert: Array, agent: Array) -> float:
    """Give the share of held-out rows that Fisher's linear discriminant gets right, both sides
    weighing the same; on every other row, then on the rest.
    """
    used = np.concatenate([expert, agent]).std(axis=0) > 0
    if not used.any():
        return 0.5
    right = []
    for held_out in (0, 1):
        parts = [values[:, used] for values in (expert, agent)]
        train = [values[1 - held_out :: 2] for values in parts]
        test = [values[held_out::2] for values in parts]
        means = [values.mean(axis=0) for values in train]
        spread = np.concatenate([v - m for v, m in zip(train, means, strict=True)])
        scale = np.concatenate(train).std(axis=0) + 1e-12
        spread /= scale
        scatter = spread.T @ spread / len(spread) + RIDGE * np.eye(spread.shape[1])
        weights = np.linalg.solve(scatter, (means[0] - means[1]) / scale) / scale
        middle = 0.5 * (means[0] + means[1]) @ weights
        right += [np.mean(test[0] @ weights > middle), np.mean(test[1] @ weights < middle)]
    return float(np.mean(right))


def _range(values: Array) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _listed(columns: Array) -> str:
    shown = ", ".join(map(str, columns[:COLUMNS_SHOWN]))
    return shown if len(columns) <= COLUMNS_SHOWN else f"{shown} and {len(columns) - 5} more"
