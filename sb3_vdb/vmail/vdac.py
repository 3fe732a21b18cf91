"""VDAC, the ablation of V-MAIL's Figure 4: the world model serves as a representation only, and
actor and critic learn from what is stored instead of from imagination.
"""

from __future__ import annotations

from typing import Any, ClassVar

from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv

from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.vmail.policies import VMAILPolicy
from sb3_vdb.vmail.replay_buffer import SequenceBatch
from sb3_vdb.vmail.vdac_losses import TwinQ, VDACLosses
from sb3_vdb.vmail.vmail import VMAIL


class VDACPolicy(VMAILPolicy):
    """Holds the networks of VDAC: those of V-MAIL, with two critics of states and actions for the
    value, :class:`~sb3_vdb.vmail.vdac_losses.TwinQ`.

    Parameters are those of :class:`~sb3_vdb.vmail.policies.VMAILPolicy`.
    """

    def make_value(self, feat_dim: int, units: int, n_layers: int) -> TwinQ:
        """Make two critics of states and actions."""
        return TwinQ(feat_dim, self.action_dim, units, n_layers)


class CnnPolicy(VDACPolicy):
    """For pictures."""


class MlpPolicy(VDACPolicy):
    """For vectors."""


class MultiInputPolicy(VDACPolicy):
    """For a Dict of pictures and vectors."""


class VDAC(VMAIL):
    """Learns by the variational discriminator-actor-critic: V-MAIL's world model serves as a
    representation, on whose beliefs an off-policy discriminator, two critics and an actor learn.

    *Paper*: `Visual Adversarial Imitation Learning using Variational Models
    <https://arxiv.org/abs/2107.08829>`_, section 5.1 and Figure 4 (right); discriminator and
    critics as in `Discriminator-Actor-Critic <https://arxiv.org/abs/1809.02925>`_

    *Differences from the reference*: the paper gives no sizes; they are V-MAIL's. The critics'
    targets have no entropy, and no state is absorbing.

    Parameters are those of :class:`~sb3_vdb.VMAIL`, with the same defaults but for ``tau``, which
    has to be small where values bootstrap from every step. Half of the ``batch_size`` sequences are
    the policy's and half the expert's. What shapes imagination has no effect: ``horizon``,
    ``n_imagined``, ``returns``, ``td_lambda``, ``drop_last_reward``, ``values_of_next_states``, and
    ``expert_fraction``.

    :param tau: how far the critics' slow targets follow at a time
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "CnnPolicy": CnnPolicy,
        "MlpPolicy": MlpPolicy,
        "MultiInputPolicy": MultiInputPolicy,
    }
    losses_class = VDACLosses
    min_batch_size = 2

    def __init__(
        self,
        policy: str | type[VDACPolicy],
        env: GymEnv | str,
        demonstrations: Demonstrations | None = None,
        *,
        tau: float = 0.005,
        **kwargs: Any,
    ) -> None:
        super().__init__(policy, env, demonstrations, **{**kwargs, "tau": tau})

    def present_expert_fraction(self) -> float:
        """Return one half: that share of the sequences is the expert's."""
        return (self.batch_size // 2) / self.batch_size

    def sample_batches(self) -> tuple[SequenceBatch, SequenceBatch]:
        """Sample sequences of the policy (of the expert, before there are any) and of the
        expert.
        """
        assert self.replay_buffer is not None
        n_expert = self.batch_size // 2
        policy = self.replay_buffer.sample(self.batch_size - n_expert, expert_fraction=0.0)
        return policy, self.replay_buffer.sample_expert(n_expert)
