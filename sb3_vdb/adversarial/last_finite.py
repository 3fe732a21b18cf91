"""Generator and discriminator as they were when they were last finite, for a training that has to
stop.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_vdb.discriminators import Discriminator
from sb3_vdb.errors import NonFiniteError
from sb3_vdb.finite_weights import weight_not_finite


class LastFinite:
    """Keeps the parameters of a generator and a discriminator, its normaliser included, from round
    to round.

    :param gen_algo: the generator
    :param discriminator: the discriminator
    """

    def __init__(self, gen_algo: BaseAlgorithm, discriminator: Discriminator) -> None:
        self.gen_algo, self.discriminator = gen_algo, discriminator
        self._generator: dict[str, Any] | None = None
        self._others: dict[str, th.Tensor] = {}
        self._discriminator: dict[str, th.Tensor] | None = None

    def keep(self) -> None:
        """Keep the present parameters.

        :raises NonFiniteError: those of the policy are not finite
        """
        if (what := self._generator_not_finite()) is not None:
            raise NonFiniteError(f"{what}; load an earlier checkpoint, and lower the learning rate")
        self._generator = copy.deepcopy(self.gen_algo.get_parameters())
        self._others = {name: each.clone() for name, each in self._other_parameters().items()}
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
        """Say what is not finite, and restore generator or discriminator if it is one of these;
        None where the error is about something else.
        """
        if self._discriminator is not None and not _is_sound(self.discriminator):
            self.discriminator.load_state_dict(self._discriminator)
        if (what := self._generator_not_finite()) is not None:
            self._restore_generator()
            return what
        return str(error) if isinstance(error, FloatingPointError) else None

    def _generator_not_finite(self) -> str | None:
        """Name a parameter of the generator that is not finite; None if all are finite."""
        generator = type(self.gen_algo).__name__
        if (weight := weight_not_finite(self.gen_algo.policy)) is not None:
            return f"the policy's weight `{weight}` of {generator} is not finite"
        for name, each in self._other_parameters().items():
            if not bool(each.isfinite().all()):
                return f"`{name}` of {generator} is not finite"
        return None

    def _other_parameters(self) -> dict[str, th.Tensor]:
        """Return what the generator learns outside its networks, such as SAC's entropy
        coefficient.
        """
        names = self.gen_algo._get_torch_save_params()[1] or ()
        return {name: attrgetter(name)(self.gen_algo).detach() for name in names}

    def _restore_generator(self) -> None:
        if self._generator is None:
            return
        self.gen_algo.set_parameters(self._generator)
        for name, each in self._other_parameters().items():
            each.copy_(self._others[name])


def _is_sound(discriminator: Discriminator) -> bool:
    """Say whether weights and normaliser are finite."""
    statistics = discriminator.normalizer.buffers()
    sound = all(bool(each.isfinite().all()) for each in statistics)
    return sound and weight_not_finite(discriminator) is None
