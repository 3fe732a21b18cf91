"""The generator as it was when it was last finite, for a training that has to stop."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_vdb.adversarial.round_metrics import is_finite
from sb3_vdb.errors import NonFiniteError


class LastFinite:
    """Keeps a generator's parameters from round to round.

    :param gen_algo: the generator
    """

    def __init__(self, gen_algo: BaseAlgorithm) -> None:
        self.gen_algo = gen_algo
        self._parameters: dict[str, Any] | None = None

    def keep(self) -> None:
        """Keep the present parameters.

        :raises NonFiniteError: they are not finite
        """
        if not is_finite(self.gen_algo.policy):
            raise NonFiniteError("the policy is not finite")
        self._parameters = copy.deepcopy(self.gen_algo.get_parameters())

    def stop_if_needed(self, error: Exception, save: Callable[[], Path]) -> None:
        """Save the last finite state and name what is not finite, if that is what ended training.

        :param error: what ended training
        :param save: writes the state, and says where
        :raises NonFiniteError: naming the term and the file
        """
        what = self._what_is_not_finite(error)
        if what is not None:
            raise NonFiniteError(
                f"{what}; training stopped and its last finite state was saved to {save()}"
            ) from error

    def _what_is_not_finite(self, error: Exception) -> str | None:
        """Say what is not finite, and restore the policy if it is the policy; None where the error
        is about something else.
        """
        if not is_finite(self.gen_algo.policy):
            if self._parameters is not None:
                self.gen_algo.set_parameters(self._parameters)
            return f"a parameter of the policy of {type(self.gen_algo).__name__} is not finite"
        return str(error) if isinstance(error, FloatingPointError) else None
