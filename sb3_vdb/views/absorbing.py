"""What is seen where episodes go on in absorbing states."""

from __future__ import annotations

import torch as th

from sb3_vdb.views.observations import Join, Vector
from sb3_vdb.views.seen import Inputs
from sb3_vdb.views.view import View


class AbsorbingView(View):
    """A view that hides actions in absorbing states, where they do nothing and would tell the
    expert from the agent. Made by :func:`absorbing_view`.
    """

    def inputs(self, observations: Inputs, actions: th.Tensor, next_observations: Inputs) -> Inputs:
        """Join what is seen, with actions times 1 less the mark, which is the last entry."""
        marked = observations.vectors[:, -1:]
        return super().inputs(observations, actions * (1.0 - marked), next_observations)


def absorbing_view(dim: int) -> AbsorbingView:
    """See states and actions, of vectors under
    :class:`~sb3_vdb.demonstrations.absorbing.AbsorbingStates`.

    :param dim: entries of the environment's own observations
    """
    states, mark = Vector(columns=tuple(range(dim))), Vector(columns=(dim,), normalize=False)
    return AbsorbingView(Join((states, mark)), sees=("observations", "actions"))
