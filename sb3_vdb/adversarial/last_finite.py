"""Generator and discriminator as they were when they were last finite, for a training that has to
stop.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_vdb.adversarial.round_metrics import is_finite
from sb3_vdb.discriminators import Discriminator
from sb3_vdb.errors import NonFiniteError


class LastFinite:
    """Keeps the parameters of a generator and a discriminator, its normaliser included, from round
    to round.

    :param gen_algo: the generator
    :param discriminator: the discriminator
    """

    def __init__(self, gen_algo: BaseAlgorithm, discriminator: Discriminator) -> None:
        self.gen_algo, self.discriminator = gen_algo, discriminator
        self._generator: dict[str, Any] | None = None
        self._discriminator: dict[str, th.Tensor] | None = None

    def keep(self) -> None:
        """Keep the present parameters.

        :raises NonFiniteError: those of the policy are not finite
        """
        if not is_finite(self.gen_algo.policy):
            raise NonFiniteError("the policy is not finite")
        self._generator = copy.deepcopy(self.gen_algo.get_parameters())
        self._discriminator = copy.deepcopy(self.discriminator.state_dict())

    def stop_if_needed(self, error: Exception, save: Callable[[], Path]) -> None:
        """Save the last finite state and name what is not finite, if that is what ended training.

        :param error: what ended training
        :param save: writes the state, and says where
        :raises NonFiniteError: naming the term and the file, or why there is none
        """
        what = self._what_is_not_finite(error)
        if what is None:
            return
        try:
            saved = f"its last finite state was saved to {save()}"
        except Exception as failure:  # whatever it is, the first error matters more
            saved = f"its last finite state could not be saved ({failure!r})"
        raise NonFiniteError(f"{what}; training stopped and {saved}") from error

    def _what_is_not_finite(self, error: Exception) -> str | None:
        """Say what is not finite, and restore policy or discriminator if it is one of these; None
        where the error is about something else.
        """
        if self._discriminator is not None and not _is_sound(self.discriminator):
            self.discriminator.load_state_dict(self._discriminator)
        if not is_finite(self.gen_algo.policy):
            if self._generator is not None:
                self.gen_algo.set_parameters(self._generator)
            return f"a parameter of the policy of {type(self.gen_algo).__name__} is not finite"
        return str(error) if isinstance(error, FloatingPointError) else None


def _is_sound(discriminator: Discriminator) -> bool:
    """Say whether weights and normaliser are finite."""
    statistics = discriminator.normalizer.buffers()
    return is_finite(discriminator) and all(bool(each.isfinite().all()) for each in statistics)
