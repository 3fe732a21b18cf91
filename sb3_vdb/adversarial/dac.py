"""Discriminator-actor-critic: GAIL that learns from a replay buffer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial.gail import GAIL
from sb3_vdb.adversarial.presets import preset
from sb3_vdb.demonstrations import Demonstrations, Trajectory


class DAC(GAIL):
    """Discriminator-actor-critic: GAIL with an off-policy generator, a discriminator that learns
    from the replay buffer, and rewards that are computed anew whenever a step is drawn. Arguments
    as for :class:`.AdversarialTrainer`; their defaults are ``preset("dac")``.

    *Paper*: Kostrikov et al. 2019; the numbers are those of its authors' code.

    *Equations*: as for :class:`.GAIL`, on samples of the replay buffer in the place of the
    policy's; the policy is paid log D - log(1 - D); the penalty is that of WGAN-GP at points
    between expert and generator samples.

    *Differences from the reference*: any off-policy algorithm of SB3 in the place of TD3; as many
    discriminator updates as environment steps, in rounds and not one by one.

    Where episodes can end by themselves, put
    :class:`~sb3_vdb.demonstrations.absorbing.AbsorbingStates` around the environment and
    :func:`~sb3_vdb.demonstrations.absorbing.with_absorbing_states` around the demonstrations, as
    the paper does.

    :raises ValueError: the generator is on-policy, or demonstrations end by themselves
    """

    def __init__(
        self,
        demonstrations: Demonstrations | Iterable[Trajectory],
        venv: VecEnv,
        gen_algo: BaseAlgorithm,
        **arguments: Any,
    ) -> None:
        if not isinstance(demonstrations, Demonstrations):
            demonstrations = Demonstrations(demonstrations)
        if isinstance(gen_algo, BaseAlgorithm) and not isinstance(gen_algo, OffPolicyAlgorithm):
            raise ValueError(
                f"DAC needs an off-policy generator (TD3, SAC), and `gen_algo` is "
                f"{type(gen_algo).__name__}; use GAIL"
            )
        n_terminal = sum(each.terminal for each in demonstrations)
        if n_terminal:
            raise ValueError(
                f"{n_terminal} of {len(demonstrations)} demonstrations end by themselves, and DAC "
                "pays what comes after an end; put AbsorbingStates around the environment and "
                "with_absorbing_states around the demonstrations (sb3_vdb.demonstrations.absorbing)"
            )
        defaults = preset("dac")
        networks = dict(arguments.pop("discriminator_kwargs", None) or {})
        if "trunk_class" not in networks:  # whose arguments the preset's are not
            networks = {**defaults["discriminator_kwargs"], **networks}
        defaults["discriminator_kwargs"] = networks
        super().__init__(demonstrations, venv, gen_algo, **{**defaults, **arguments})
