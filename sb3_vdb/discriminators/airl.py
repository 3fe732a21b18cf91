"""The AIRL-type discriminator: a reward g and a potential h, compared with the policy's own density
(eq. 13).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch as th

from sb3_vdb.discriminators.base import Discriminator, DiscriminatorOutput, Space
from sb3_vdb.views import EncodedTransitions, Inputs, View


class AIRLDiscriminator(Discriminator):
    """D = exp f / (exp f + pi(a|s)) with f(s, a, s') = g(s, a) + gamma h(s') - h(s), so its logit
    is f - log pi(a|s).

    g and h have encoders of their own; the divergence of a transition is the sum of those of its
    three codes, KL_g(s) + KL_h(s) + KL_h(s'), since E(z|s, s') factorises (section 4.3). A terminal
    state has potential 0.

    The view is g's: states, and actions where it sees them; without actions its reward transfers.
    h sees states. Instance noise on inputs is added to states alone.

    :param observation_space: of the environment
    :param action_space: of the environment
    :param gamma: discount of the potential
    :param arguments: the others of :class:`Discriminator`
    :raises ValueError: ``view`` sees something else than states and actions
    """

    reward_types: ClassVar[tuple[str, ...]] = ("g", "f", "logit")
    needs_density: ClassVar[bool] = True
    default_view: ClassVar[View] = View(sees=("observations",))

    def __init__(
        self,
        observation_space: Space,
        action_space: Space,
        *,
        gamma: float = 0.99,
        **arguments: Any,
    ) -> None:
        super().__init__(observation_space, action_space, **arguments)
        self.gamma = float(gamma)

    def make_networks(self) -> None:
        """Make g and h."""
        if "observations" not in self.view.sees or "next_observations" in self.view.sees:
            raise ValueError(
                f"`view` sees {', '.join(self.view.sees)}, but g of an AIRL type is a function of "
                'the state, or of state and action; use sees=("observations",) or '
                '("observations", "actions")'
            )
        state, action = self.probe()
        self.g = self.make_unit(self._seen_by_g(state, action))
        self.h = self.make_unit(state)

    def arguments(self) -> dict[str, Any]:
        """Give the keyword arguments that it was made with."""
        return {**super().arguments(), "gamma": self.gamma}

    @property
    def needs(self) -> frozenset[str]:
        """Fields of a transition that g and h see."""
        return frozenset(self.view.sees) | {"observations", "next_observations"}

    def reward_needs(self, reward_type: str) -> frozenset[str]:
        """Name the fields that g, f or the logit is a function of."""
        beside = {"g": set(), "f": {"next_observations"}}
        return frozenset(self.view.sees) | beside.get(
            reward_type, {"next_observations", "log_probs"}
        )

    def _seen_by_g(self, states: Inputs, actions: th.Tensor) -> Inputs:
        return self.view.inputs(states, actions, states)

    def forward(
        self, batch: EncodedTransitions, sample: bool, inputs_require_grad: bool = False
    ) -> DiscriminatorOutput:
        """Compute logits and summed divergences; see :meth:`Discriminator.forward`."""
        states = self.normalized(batch.observations)
        next_states = self.normalized(batch.next_observations)
        if sample:
            states, next_states = self.noisy(states), self.noisy(next_states)
        penalised = (*states.present(), *next_states.present())
        for each in penalised:
            each.requires_grad_(inputs_require_grad)
        g, kl_g = self.apply_unit(self.g, self._seen_by_g(states, batch.actions), sample)
        both = Inputs.behind_each_other([states, next_states])
        h_of_both, kl_of_both = self.apply_unit(self.h, both, sample)  # (2 batch,)
        h, h_next = h_of_both.chunk(2)
        kl = kl_g + sum(kl_of_both.chunk(2))
        f = g + self.gamma * (1.0 - batch.terminated) * h_next - h
        return DiscriminatorOutput(f - batch.log_probs, kl, penalised, (g, h_next, h))

    def reward(self, batch: EncodedTransitions, reward_type: str) -> th.Tensor:
        """Compute g at the mean code (what transfers), f, or the logit f - log pi(a|s); shape
        (batch,).
        """
        states = self.normalized(batch.observations)
        g = self.apply_unit(self.g, self._seen_by_g(states, batch.actions), sample=False).values
        if reward_type == "g":
            return g
        h = self.apply_unit(self.h, states, sample=False).values
        next_states = self.normalized(batch.next_observations)
        h_next = self.apply_unit(self.h, next_states, sample=False).values
        f: th.Tensor = g + self.gamma * (1.0 - batch.terminated) * h_next - h
        return f if reward_type == "f" else f - batch.log_probs
