"""The generator as it was when it was last finite, for a training that has to stop."""

from __future__ import annotations

import copy
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

    def explain(self, error: Exception) -> str | None:
        """Say what is not finite, and restore the policy if it is; None where the error is about
        something else.
        """
        if not is_finite(self.gen_algo.policy):
            if self._parameters is not None:
                self.gen_algo.set_parameters(self._parameters)
            return f"a parameter of the policy of {type(self.gen_algo).__name__} is not finite"
        return str(error) if isinstance(error, FloatingPointError) else None
