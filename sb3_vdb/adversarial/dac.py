"""Discriminator-actor-critic: GAIL that learns from a replay buffer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial.gail import GAIL
from sb3_vdb.adversarial.log import record_mean_codes, record_means
from sb3_vdb.adversarial.presets import preset
from sb3_vdb.arguments import positive_int, whole_number
from sb3_vdb.baselines.offline import fill_replay_buffer, prepare_offline
from sb3_vdb.demonstrations import Demonstrations, Trajectory

if TYPE_CHECKING:
    from typing_extensions import Self


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

    def learn_offline(
        self, episodes: Demonstrations | None, gradient_steps: int, log_interval: int = 1000
    ) -> Self:
        """Learn on stored episodes alone, without a step in an environment: in turn a round of
        discriminator updates on steps of the replay buffer, and as many updates of the generator,
        which has to be one that does not overrate what it never tries, such as :class:`.CQL`.

        The V-MAIL paper's offline DAC (section 4.3, Table 1) is this with :class:`.CQL`.

        :param episodes: of any policies, with actions, which are added to the replay buffer; None
            to go on with what it has
        :param gradient_steps: updates of the generator
        :param log_interval: its updates between two lines of the log, about
        :raises ValueError: the episodes do not fit, or the discriminator does not learn from the
            replay buffer
        :raises NonFiniteError: a loss or a reward is not finite
        """
        whole_number("gradient_steps", gradient_steps, 0)
        positive_int("log_interval", log_interval)
        steps, generator = self.rounds.replay, self.gen_algo
        if steps is None or not self.relabels or not isinstance(generator, OffPolicyAlgorithm):
            raise ValueError(
                "offline, the discriminator learns from the replay buffer and pays it: leave "
                '`generator_samples` at "replay" and `relabel` at True'
            )
        if episodes is not None:
            fill_replay_buffer(generator, episodes, reward=0.0)
        prepare_offline(generator)
        n = self.settings.n_disc_updates_per_round
        for done in range(0, gradient_steps, n):
            result = self.rounds.finish(steps.draw(n * self.settings.demo_batch_size))
            record_means(self.logger, result.metrics)
            record_mean_codes(self.logger, result.accuracy)
            generator._update_current_progress_remaining(done, gradient_steps)
            generator.train(min(n, gradient_steps - done), generator.batch_size)
            if done // log_interval != (done + n) // log_interval:
                self.logger.dump(done + n)
        return self
