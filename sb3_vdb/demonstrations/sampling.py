"""Sampling of batches of expert transitions: every transition once before any comes again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class EpochSampler:
    """Indices in random order, epoch after epoch, in batches of one size (a batch may span two
    epochs).

    :param n: number of transitions
    :param seed: seed of its random generator
    """

    def __init__(self, n: int, seed: int | None) -> None:
        self.n = n
        self._generator = np.random.default_rng(seed)
        self._order: npt.NDArray[np.intp] = np.empty(0, dtype=np.intp)

    def sample(self, size: int) -> npt.NDArray[np.intp]:
        """Return the next ``size`` indices."""
        while len(self._order) < size:
            self._order = np.concatenate([self._order, self._generator.permutation(self.n)])
        sampled, self._order = self._order[:size], self._order[size:]
        return sampled

    def state_dict(self) -> dict[str, Any]:
        """Return the remaining indices and the generator, JSON-able."""
        return {"order": self._order.tolist(), "generator": self._generator.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self._order = np.array(state["order"], dtype=np.intp)
        self._generator.bit_generator.state = state["generator"]

    def spawn_seed(self) -> int:
        """Sample a seed for a sampler of other data from this one's generator."""
        return int(self._generator.integers(2**63))
