"""Pose errors in metres, as AMP (Peng et al. 2021) and ADD (Zhang et al. 2025) report them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv

Array = npt.NDArray[np.float64]


def measure(venv: VecEnv, name: str, *arguments: Any) -> Array:
    """Call a method that measures all characters of a batch, or one of each single environment.

    :param venv: humanoid environments
    :param name: of the method, which returns an array with one column a character (axis 1)
    :param arguments: of the method
    """
    (first,) = venv.env_method(name, *arguments, indices=[0])
    if first.shape[1] == venv.num_envs:
        return np.asarray(first)
    return np.concatenate(venv.env_method(name, *arguments), axis=1)


class PoseErrors:
    """Collects where joints are and where the clip has them, relative to the root.

    :param venv: humanoid environments
    """

    def __init__(self, venv: VecEnv) -> None:
        self.venv = venv
        self._own: list[Array] = []
        self._clips: list[Array] = []
        self._alive: list[npt.NDArray[np.bool_]] = []

    def add(self, alive: npt.NDArray[np.bool_]) -> None:
        """Take in the present moment.

        :param alive: whose episode goes on, shape (num_envs,)
        """
        own, clip = measure(self.venv, "joint_positions")
        self._own.append(own)
        self._clips.append(clip)
        self._alive.append(alive.copy())

    def means(self) -> tuple[float, float]:
        """Give the mean distance of the joints at the same phase, and after dynamic time warping,
        in m; nan where nobody lived. An episode is as long as its character lives.
        """
        if not self._own:
            return np.nan, np.nan
        own, clips = np.stack(self._own, axis=1), np.stack(self._clips, axis=1)  # (n, t, joints, 3)
        lengths = np.stack(self._alive, axis=1).sum(axis=1)
        pairs = [(own[i, :length], clips[i, :length]) for i, length in enumerate(lengths) if length]
        if not pairs:
            return np.nan, np.nan
        same = [np.linalg.norm(a - b, axis=-1).mean() for a, b in pairs]
        warped = [warped_error(a, b) for a, b in pairs]
        return float(np.mean(same)), float(np.mean(warped))


def warped_error(own: Array, clip: Array) -> float:
    """Compute the mean distance of the joints along the best alignment in time (dynamic time
    warping, steps of one in either sequence or in both).

    :param own: positions of the joints relative to the root in m, shape (steps, joints, 3)
    :param clip: the clip's, shape (steps of the clip, joints, 3)
    """
    costs = np.zeros((len(own), len(clip)))
    for joint in range(own.shape[1]):
        costs += np.linalg.norm(own[:, None, joint] - clip[None, :, joint], axis=-1)
    costs /= own.shape[1]
    rows, columns = costs.shape
    # sums and numbers of pairs of the best way to each cell, one anti-diagonal after the other
    sums = np.full((rows + 1, columns + 1), np.inf)
    counts = np.zeros((rows + 1, columns + 1))
    sums[0, 0] = 0.0
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        before = np.stack([sums[i, j], sums[i, j + 1], sums[i + 1, j]])
        lengths = np.stack([counts[i, j], counts[i, j + 1], counts[i + 1, j]])
        best = before.argmin(axis=0)
        sums[i + 1, j + 1] = costs[i, j] + np.take_along_axis(before, best[None], 0)[0]
        counts[i + 1, j + 1] = 1 + np.take_along_axis(lengths, best[None], 0)[0]
    return float(sums[-1, -1] / counts[-1, -1])
