"""Weights that are finite: found where one is not, and kept for a training that has to stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch as th
from torch import nn

from sb3_vdb.errors import NonFiniteError

# a weight's name, or optimiser, weight and name of what it remembers
Place = str | tuple[int, int, str]


def weight_not_finite(module: nn.Module) -> str | None:
    """Return the name of the first weight that holds NaN or infinity; None if all are finite.

    :param module: the networks
    """
    weights = dict(module.named_parameters())
    sums = [each.detach().sum().isfinite() for each in weights.values()]  # an eighth of looking
    if not sums or bool(th.stack(sums).all()):
        return None
    return next((name for name, each in weights.items() if not each.isfinite().all()), None)


def check_weights(policy: nn.Module) -> None:
    """Refuse weights that are not finite.

    :param policy: the networks
    :raises NonFiniteError: naming the first one
    """
    if (name := weight_not_finite(policy)) is not None:
        raise NonFiniteError(
            f"the policy's weight `{name}` is not finite; load an earlier checkpoint, and lower "
            "the learning rate"
        )


class LastFiniteWeights:
    """Keeps weights, and what their optimisers remember, as they were when they were last finite.

    Everything is restored where it lies, so that what has been captured or compiled stays valid.

    :param policy: the networks
    :param optimizers: of their weights
    """

    def __init__(self, policy: nn.Module, optimizers: Iterable[th.optim.Optimizer]) -> None:
        self.policy, self.optimizers = policy, list(optimizers)
        self._kept: dict[Place, th.Tensor] | None = None

    @property
    def is_kept(self) -> bool:
        """Say whether there is something to restore."""
        return self._kept is not None

    def keep(self) -> None:
        """Keep the present state.

        :raises NonFiniteError: a weight is not finite; what was kept before stays
        """
        check_weights(self.policy)
        self._kept = {place: each.detach().clone() for place, each in self._tensors().items()}

    def restore_if_needed(self) -> str | None:
        """Restore what was kept, if a weight is not finite now.

        :return: the name of the weight; None if all are finite
        """
        name = weight_not_finite(self.policy)
        if name is not None and self._kept is not None:
            self._restore(self._kept)
        return name

    @th.no_grad()
    def _restore(self, kept: Mapping[Place, th.Tensor]) -> None:
        for place, present in self._tensors().items():
            if place in kept:
                present.copy_(kept[place])
            else:  # of an optimiser that had not taken a step
                present.zero_()

    def _tensors(self) -> dict[Place, th.Tensor]:
        """Return the weights, and what optimisers remember of them."""
        tensors: dict[Place, th.Tensor] = dict(self.policy.named_parameters())
        for i, optimizer in enumerate(self.optimizers):
            weights = [each for group in optimizer.param_groups for each in group["params"]]
            for j, weight in enumerate(weights):
                for name, value in optimizer.state.get(weight, {}).items():
                    if isinstance(value, th.Tensor):
                        tensors[i, j, name] = value
        return tensors
