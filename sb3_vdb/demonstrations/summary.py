"""What is in demonstrations: counts, lengths, returns, and the arrays by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sb3_vdb.demonstrations.trajectory import Trajectory
from sb3_vdb.transitions import Array, parts_of

MEGABYTE = 1e6  # bytes


class Spread(NamedTuple):
    """Least, median and greatest of some numbers."""

    min: float
    median: float
    max: float

    def __str__(self) -> str:
        if self.min == self.max:
            return f"{self.min:g}"
        return f"{self.min:g} to {self.max:g}, median {self.median:g}"


class PartSummary(NamedTuple):
    """One array of every episode: a part of the observations, the actions, or the rewards.

    :param dtype: data type of an entry
    :param shape: of one step
    :param low: least entry of all episodes
    :param high: greatest entry of all episodes
    """

    dtype: str
    shape: tuple[int, ...]
    low: float
    high: float


class Summary(NamedTuple):
    """What is in demonstrations.

    :param n_episodes: number of episodes
    :param n_steps: number of steps of all episodes
    :param lengths: steps of an episode
    :param returns: task returns; None if the rewards are not known
    :param parts: by name: ``observations`` or ``observations/<part>``, ``actions``, ``rewards``
    :param terminal_share: share of the episodes that ended by themselves
    :param action_repeats: what episodes say of it, in order; None stands for unknown
    :param megabytes: size of all arrays in memory, 10^6 bytes
    """

    n_episodes: int
    n_steps: int
    lengths: Spread
    returns: Spread | None
    parts: dict[str, PartSummary]
    terminal_share: float
    action_repeats: tuple[int | None, ...]
    megabytes: float

    def __str__(self) -> str:
        repeats = ["unknown" if each is None else str(each) for each in self.action_repeats]
        rows = {
            "episodes": str(self.n_episodes),
            "steps": str(self.n_steps),
            "lengths": str(self.lengths),
            "returns": "unknown" if self.returns is None else str(self.returns),
            "terminal": f"{self.terminal_share:.0%} of the episodes",
            "action repeat": ", ".join(repeats),
            "memory": f"{self.megabytes:.1f} MB",
        }
        for name, part in self.parts.items():
            shape = " x ".join(map(str, part.shape)) or "one number"
            rows[name] = f"{part.dtype}, {shape}, from {part.low:g} to {part.high:g}"
        width = max(map(len, rows))
        return "\n".join(f"{name:<{width}}  {text}" for name, text in rows.items())


def summarize(trajectories: Sequence[Trajectory]) -> Summary:
    """Count and measure what is in demonstrations, episode by episode.

    :param trajectories: at least one
    """
    fields = [arrays_of(each) for each in trajectories]
    parts = {name: _part([each[name] for each in fields]) for name in fields[0]}
    lengths = [len(each) for each in trajectories]
    known = {each.action_repeat for each in trajectories}
    return Summary(
        n_episodes=len(trajectories),
        n_steps=sum(lengths),
        lengths=_spread(lengths),
        returns=_returns(fields),
        parts=parts,
        terminal_share=float(np.mean([each.terminal for each in trajectories])),
        action_repeats=tuple(sorted(known, key=lambda each: each or 0)),
        megabytes=sum(part.nbytes for each in fields for part in each.values()) / MEGABYTE,
    )


def arrays_of(trajectory: Trajectory) -> dict[str, Array]:
    """Give the arrays of a trajectory by name, as in :class:`Summary`."""
    observations = trajectory.observations
    parts = parts_of(observations)
    prefix = "" if parts is not observations else "observations/"
    arrays = {prefix + name: part for name, part in parts.items()}
    for name in ("actions", "rewards"):
        if (values := getattr(trajectory, name)) is not None:
            arrays[name] = values
    return arrays


def _returns(episodes: Sequence[dict[str, Array]]) -> Spread | None:
    """Summarise the returns; None if the rewards are not known."""
    if "rewards" not in episodes[0]:
        return None
    return _spread([float(each["rewards"].sum(dtype=np.float64)) for each in episodes])


def _spread(values: Sequence[float]) -> Spread:
    return Spread(float(min(values)), float(np.median(values)), float(max(values)))


def _part(episodes: Sequence[Array]) -> PartSummary:
    """Summarise one array of every episode."""
    low, high = min(each.min() for each in episodes), max(each.max() for each in episodes)
    return PartSummary(str(episodes[0].dtype), episodes[0].shape[1:], float(low), float(high))


def split_indices(
    n: int, share: float | int, seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Draw episodes for two sets.

    :param n: number of episodes
    :param share: of the episodes in the first set, or a whole number of them
    :param seed: of the choice
    :return: indices of both sets, each in order
    :raises ValueError: one of them would be empty
    """
    whole = isinstance(share, (int, np.integer)) and not isinstance(share, bool)
    size = int(share) if whole else round(float(share) * n)
    if not (whole or 0 < share < 1) or not 0 < size < n:
        raise ValueError(
            f"`share` {share!r} leaves one of both sets empty, of {n} episodes; give a share "
            f"between 0 and 1, or a whole number of episodes from 1 to {n - 1}"
        )
    chosen = np.zeros(n, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(n)[:size]] = True
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)
