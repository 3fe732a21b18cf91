"""The AIRL-type discriminator: a reward g and a potential h, compared with the policy's own density
(eq. 13).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch as th
from torch import nn

from sb3_vdb.discriminators.base import Discriminator, DiscriminatorOutput
from sb3_vdb.discriminators.features import Batch
from sb3_vdb.discriminators.normalizer import Normalizer
from sb3_vdb.discriminators.unit import CodeUnit
from sb3_vdb.vdb import add_noise


class AIRLDiscriminator(Discriminator):
    """D = exp f / (exp f + pi(a|s)) with f(s, a, s') = g(s, a) + gamma h(s') - h(s), so its logit
    is f - log pi(a|s).

    g and h have encoders of their own; the divergence of a transition is the sum of those of its
    three codes, KL_g(s) + KL_h(s) + KL_h(s'), since E(z|s, s') factorises (section 4.3). A terminal
    state has potential 0.

    :param normalizer: normaliser of the observations
    :param observation_dim: number of observation features
    :param action_dim: number of action features g sees; 0 for the state-only g whose reward
        transfers
    :param net_arch: widths of the hidden layers of g and of h
    :param code_dim: dimension of each code; None for no bottleneck
    :param gamma: discount of the potential
    :param activation_fn: activation of the hidden layers
    :param input_noise_std: instance noise on the observations (not on actions)
    :param hidden_noise_std: instance noise on the last hidden layers
    """

    reward_types: ClassVar[tuple[str, ...]] = ("g", "f", "logit")
    uses_log_probs: ClassVar[bool] = True

    def __init__(
        self,
        normalizer: Normalizer,
        observation_dim: int,
        action_dim: int,
        net_arch: Sequence[int],
        code_dim: int | None,
        gamma: float,
        activation_fn: type[nn.Module] = nn.ReLU,
        input_noise_std: float = 0.0,
        hidden_noise_std: float = 0.0,
    ) -> None:
        super().__init__(normalizer, input_noise_std)
        self.action_dim, self.gamma = action_dim, gamma
        self.g = CodeUnit(
            observation_dim + action_dim, net_arch, code_dim, activation_fn, hidden_noise_std
        )
        self.h = CodeUnit(observation_dim, net_arch, code_dim, activation_fn, hidden_noise_std)

    @property
    def uses_actions(self) -> bool:
        """Whether g sees actions."""
        return self.action_dim > 0

    def forward(
        self, batch: Batch, sample: bool, inputs_require_grad: bool = False
    ) -> DiscriminatorOutput:
        """Logits f - log pi(a|s) and summed divergences; see :meth:`Discriminator.forward`."""
        states, next_states = (
            self.normalizer(batch.observations),
            self.normalizer(batch.next_observations),
        )
        if sample:
            states, next_states = (
                add_noise(each, self.input_noise_std) for each in (states, next_states)
            )
        states.requires_grad_(inputs_require_grad)
        next_states.requires_grad_(inputs_require_grad)
        g, kl_g = self.g(th.cat([states, batch.actions], dim=1), sample)
        both, kl_both = self.h(th.cat([states, next_states]), sample)  # (2 batch,)
        h, h_next = both.chunk(2)
        kl = kl_g + sum(kl_both.chunk(2))
        f = g + self.gamma * (1.0 - batch.terminated) * h_next - h
        return DiscriminatorOutput(f - batch.log_probs, kl, (states, next_states), (g, h_next, h))

    def reward(self, batch: Batch, reward_type: str) -> th.Tensor:
        """g at the mean code (what transfers), f, or the logit f - log pi(a|s); shape (batch,)."""
        states = self.normalizer(batch.observations)
        g = self.g(th.cat([states, batch.actions], dim=1), sample=False).values
        if reward_type == "g":
            return g
        h = self.h(states, sample=False).values
        h_next = self.h(self.normalizer(batch.next_observations), sample=False).values
        f: th.Tensor = g + self.gamma * (1.0 - batch.terminated) * h_next - h
        return f if reward_type == "f" else f - batch.log_probs
