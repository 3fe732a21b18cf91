"""The adversarial trainer: an SB3 algorithm learns from a discriminator that learns from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.utils import get_device
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial import checkpoint
from sb3_vdb.adversarial.callbacks import with_discriminator
from sb3_vdb.adversarial.densities import check_has_density
from sb3_vdb.adversarial.in_environments import InEnvironments
from sb3_vdb.adversarial.last_finite import LastFinite
from sb3_vdb.adversarial.log import (
    log_to,
    record_mean_codes,
    record_means,
    record_rewards,
    record_round,
)
from sb3_vdb.adversarial.objective import PenaltyKind, PenaltySide
from sb3_vdb.adversarial.relabel import relabel_rollout
from sb3_vdb.adversarial.reward_scaling import Scaling
from sb3_vdb.adversarial.rounds import Rounds
from sb3_vdb.adversarial.settings import (
    DEFAULT_BETA,
    AdversarialSettings,
    GeneratorSamples,
    discriminator_arguments,
    make_dual,
    reward_type_of,
    updates_per_round,
)
from sb3_vdb.adversarial.survival import SurvivalBias
from sb3_vdb.adversarial.training_venv import is_absent
from sb3_vdb.adversarial.wiring import (
    check_compatible,
    check_demonstrations,
    check_density_of_raw,
)
from sb3_vdb.arguments import positive_int, step_count
from sb3_vdb.demonstrations import Demonstrations, Trajectory
from sb3_vdb.discriminators import Discriminator, PenaltyTarget
from sb3_vdb.vdb import DEFAULT_BETA_STEP_SIZE, Constraint, DualVariable
from sb3_vdb.vec_env import below_normalize

if TYPE_CHECKING:
    from typing_extensions import Self


class AdversarialTrainer(InEnvironments):
    """Base of GAIL, VAIL, AIRL and VAIRL; use one of these.

    A round: the generator collects samples and is paid by the discriminator; the discriminator
    takes ``n_disc_updates_per_round`` steps on batches of ``demo_batch_size`` expert and as many
    generator samples; the generator updates its policy. The generator's ``learn`` is called once
    and the discriminator learns inside a callback, so learning-rate schedules, callbacks, loggers
    and the progress bar work as in SB3.

    :param demonstrations: what to learn from: demonstrations, or trajectories to make them of
    :param venv: environments of the generator; put a monitor in to log the task's return
    :param gen_algo: SB3 algorithm made with ``venv``
    :param demo_batch_size: expert samples in a discriminator update, and as many generator samples
    :param n_disc_updates_per_round: discriminator updates after each round; by default 16 with an
        on-policy generator and 64 with an off-policy one
    :param gen_train_timesteps: environment steps in a round of an off-policy generator (256 by
        default); a round of an on-policy one is its rollout
    :param disc_learning_rate: step size of Adam for the discriminator
    :param disc_loss: ``"cross_entropy"``, or ``"least_squares"`` with targets of 1 and -1 (AMP,
        Peng et al. 2021), which pays its own reward; not for AIRL types
    :param information_limit: I_c in nats (VAIL and VAIRL; 0.5 by default)
    :param beta: initial multiplier of the information constraint (VAIL and VAIRL)
    :param beta_step_size: alpha_beta of eq. 9; 0 holds beta fixed, and with ``beta=0`` only the
        noise stays
    :param constraint: ``"average"`` (eq. 9) or ``"pointwise"``, which raises beta by the largest
        divergence (appendix A)
    :param reward_type: what the policy is paid, see :mod:`sb3_vdb.rewards`: ``"gail"`` (default),
        ``"log_d"``, ``"logit"`` or ``"probability"`` for GAIL and VAIL; ``"g"`` (default), ``"f"``
        or ``"logit"`` for AIRL and VAIRL
    :param reward_scaling: ``"none"``; ``"std"`` divides rewards by their standard deviation in the
        last round; ``"mean_std"`` also subtracts their mean, only for tasks of fixed length
    :param terminal_reward: what the step that ends an episode by itself is paid, before any
        scaling: 0 where ending is a fall; None pays what the discriminator says
    :param end_below: end episodes where D at the mean code stays below this for five steps; None
        lets them go on. For GAIL types.
    :param task_reward_coef: how much of the task's reward is paid beside the learned one
    :param relabel: pay steps after the discriminator has learned from them, not when they are
        taken: an on-policy rollout at once, a step of a replay buffer each time it is drawn; by
        default wherever possible
    :param generator_samples: whether the discriminator learns from the steps of the ``"round"``, or
        from all in the generator's ``"replay"`` buffer
    :param grad_penalty_coef: w_GP of eq. 15; 0 for no penalty
    :param grad_penalty_on: penalise gradients at ``"expert"`` samples (paper), at ``"both"``, or at
        ``"interpolates"`` of one of each
    :param grad_penalty_kind: ``"zero_centered"`` (eq. 15), or ``"one_centered"`` (WGAN-GP)
    :param grad_penalty_target: what is penalised: the ``"logits"``, the ``"probabilities"`` (D, as
        eq. 15 is written) or the ``"terms"``, each network's own output (the authors' code for
        AIRL types). Gradients are taken with respect to the normalised inputs.
    :param input_noise_std: instance noise on the normalised inputs (baseline "GAIL - noise")
    :param hidden_noise_std: instance noise on the last hidden layer (baseline "GAIL - noise z")
    :param normalize_inputs: ``"running"`` statistics, the observation space's ``"bounds"``, or
        ``"none"``
    :param discriminator_kwargs: ``view``, what the discriminator sees (a
        :class:`~sb3_vdb.View`: by default that of the demonstrations (GAIL types) if they have one,
        else states and actions for GAIL types, states for AIRL types, whose reward then
        transfers), ``trunk_class`` (:class:`~sb3_vdb.networks.DenseTrunk`) and
        ``trunk_kwargs`` (for that one ``net_arch``, (64, 64), and ``activation_fn``, ReLU),
        ``gamma`` (AIRL types: discount of the potential; the generator's) and ``code_dim`` (VAIL
        and VAIRL; 32)
    :param log_dir: folder for csv and TensorBoard logs; None leaves the generator's logger as it is
    :param seed: seed of the discriminator's weights and batches and of torch's global generator,
        from which codes and the generator's actions are sampled; make the generator with the same
    :param device: where the discriminator lives
    :param verbose: 1 prints the log as well, with ``log_dir``
    :param trace_updates: trace the discriminator's update once and run the trace, twice as fast
        with the same result; False runs Python and autograd at every update. By default whatever
        sees no pictures is traced, with a warning where that fails; in torch's anomaly detection
        nothing is.
    :raises ValueError: an argument is out of range or does not fit the others, before any training
    """

    discriminator_class: ClassVar[type[Discriminator]]
    has_bottleneck: ClassVar[bool]
    is_within_step = False  # callbacks are looking at a step that is not stored yet

    def __init__(
        self,
        demonstrations: Demonstrations | Iterable[Trajectory],
        venv: VecEnv,
        gen_algo: BaseAlgorithm,
        *,
        demo_batch_size: int = 256,
        n_disc_updates_per_round: int | None = None,
        gen_train_timesteps: int | None = None,
        disc_learning_rate: float = 3e-4,
        disc_loss: str = "cross_entropy",
        information_limit: float | None = None,
        beta: float = DEFAULT_BETA,
        beta_step_size: float = DEFAULT_BETA_STEP_SIZE,
        constraint: Constraint = "average",
        reward_type: str | None = None,
        reward_scaling: Scaling = "none",
        terminal_reward: float | None = None,
        end_below: float | None = None,
        task_reward_coef: float = 0.0,
        relabel: bool | None = None,
        generator_samples: GeneratorSamples = "round",
        grad_penalty_coef: float = 0.0,
        grad_penalty_on: PenaltySide = "expert",
        grad_penalty_kind: PenaltyKind = "zero_centered",
        grad_penalty_target: PenaltyTarget = "logits",
        input_noise_std: float = 0.0,
        hidden_noise_std: float = 0.0,
        normalize_inputs: str = "running",
        discriminator_kwargs: Mapping[str, Any] | None = None,
        log_dir: str | Path | None = None,
        seed: int | None = None,
        device: th.device | str = "auto",
        verbose: int = 0,
        trace_updates: bool | None = None,
    ) -> None:
        if not isinstance(demonstrations, Demonstrations):
            demonstrations = Demonstrations(demonstrations)
        check_compatible(venv, gen_algo)
        settings = AdversarialSettings(
            demo_batch_size=demo_batch_size,
            n_disc_updates_per_round=updates_per_round(n_disc_updates_per_round, gen_algo),
            disc_learning_rate=disc_learning_rate,
            disc_loss=disc_loss,
            grad_penalty_coef=grad_penalty_coef,
            grad_penalty_on=grad_penalty_on,
            grad_penalty_kind=grad_penalty_kind,
            grad_penalty_target=grad_penalty_target,
            reward_type=reward_type,
            reward_scaling=reward_scaling,
            terminal_reward=terminal_reward,
            end_below=end_below,
            task_reward_coef=task_reward_coef,
            relabel=relabel,
            generator_samples=generator_samples,
            train_timesteps=gen_train_timesteps,
            log_dir=None if log_dir is None else str(log_dir),
            seed=seed,
            device=str(device),
            verbose=verbose,
            trace_updates=trace_updates,
        )
        arguments = discriminator_arguments(
            self.discriminator_class,
            self.has_bottleneck,
            float(getattr(gen_algo, "gamma", 1.0)),
            demonstrations.view,
            discriminator_kwargs,
        ) | {
            "normalize_inputs": normalize_inputs,
            "input_noise_std": input_noise_std,
            "hidden_noise_std": hidden_noise_std,
        }
        dual = make_dual(
            type(self).__name__,
            self.has_bottleneck,
            information_limit=information_limit,
            beta=beta,
            beta_step_size=beta_step_size,
            constraint=constraint,
        )
        spaces = below_normalize(venv).observation_space, venv.action_space
        make_discriminator = partial(self.discriminator_class, *spaces, **arguments)
        self._setup(demonstrations, venv, gen_algo, settings, make_discriminator, dual)

    def _setup(
        self,
        demonstrations: Demonstrations,
        venv: VecEnv,
        gen_algo: BaseAlgorithm,
        settings: AdversarialSettings,
        make_discriminator: Callable[[], Discriminator],
        dual: DualVariable | None,
        log_suffix: str = "",
    ) -> None:
        """Check that everything fits together, then put the discriminator into the environments."""
        self.settings, self.dual = settings, dual
        demonstrations = demonstrations.as_stacked_in(venv)
        self.gen_algo, self.demonstrations = gen_algo, demonstrations
        self.device = get_device(settings.device)
        self.gen_train_timesteps = settings.round_length(gen_algo)
        self.relabels = settings.relabels(gen_algo, venv)
        settings.check_generator_samples(gen_algo)
        if settings.seed is not None:
            th.manual_seed(settings.seed)
        self.discriminator = make_discriminator().to(self.device).eval()
        self.discriminator.describe()
        self.reward_type = reward_type_of(settings, self.discriminator.reward_types)
        if settings.end_below is not None and "probability" not in self.discriminator.reward_types:
            raise ValueError("`end_below` needs D itself, which GAIL and VAIL have; leave it out")
        if self.discriminator.needs_density:
            check_has_density(gen_algo)
            check_density_of_raw(venv)
        check_demonstrations(demonstrations, self.discriminator, venv)
        # a difference of zero says as much as many
        distinct = not self.discriminator.observation_view.expert_is_zero
        settings.check_batch(demonstrations.n_steps, self.gen_train_timesteps, distinct)
        self.rounds = Rounds(
            self.discriminator, demonstrations, gen_algo, settings, dual, self.reward_type
        )
        self._survival = SurvivalBias(
            demonstrations, self.reward_type, settings.reward_scaling == "mean_std"
        )
        self.venv = venv
        checkpoint.check_can_be_saved(self)
        self._put_into(venv)
        self._last_finite = LastFinite(gen_algo, self.discriminator)
        if settings.log_dir is not None and not is_absent(venv):
            log_to(gen_algo, settings.log_dir, settings.verbose, log_suffix)

    # ------------------------------------------------------------------ learning

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = None,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Train generator and discriminator; arguments as for SB3's ``learn``.

        :param total_timesteps: environment steps, all environments together
        :param log_interval: iterations (on-policy) or episodes (off-policy) between two log
            entries; by default 1 and 4
        :param tb_log_name: name of the TensorBoard run; by default the algorithm's
        :param reset_num_timesteps: False goes on where the last ``learn`` (or the loaded file)
            stopped
        :raises NonFiniteError: an observation, a loss, a reward or the policy is not finite; a
            checkpoint was written first
        :raises ValueError: the generator's environments were exchanged; see :meth:`set_env`
        """
        total_timesteps = step_count("total_timesteps", total_timesteps)
        if log_interval is not None:
            positive_int("log_interval", log_interval)
        self.check_inserted()
        self._survival.check_demonstrations()
        self._last_finite.keep()
        try:
            with self.reward_venv.learning():
                self.gen_algo.learn(
                    total_timesteps,
                    with_discriminator(self, callback),
                    log_interval=log_interval or (1 if self.is_on_policy else 4),
                    tb_log_name=tb_log_name or type(self).__name__,
                    reset_num_timesteps=reset_num_timesteps,
                    progress_bar=progress_bar,
                )
            self._last_finite.keep()  # after the last update, which no round follows
        except (FloatingPointError, ValueError) as error:
            self._last_finite.stop_if_needed(error, self._save_before_error)
            raise
        if self.rounds.constraint is not None:
            self.rounds.constraint.warn()
        return self

    def _save_before_error(self) -> Path:
        self.is_within_step = False
        self.reward_venv.drop_collected()
        vars(self.gen_algo)["_last_obs"] = None  # new episodes: those that go on have a gap
        return self.save(self.settings.emergency_path(type(self).__name__, self.num_timesteps))

    def finish_round(self, rollout: Mapping[str, Any]) -> None:
        """Train the discriminator on the samples collected since the last round, and pay the
        rollout if it is unpaid.

        :param rollout: local variables of the generator's rollout collection
        """
        self._last_finite.keep()
        collected = self.reward_venv.pop_collected()
        dones = collected.dones
        rewards, metrics, accuracy = self.rounds.finish(collected.transitions)
        record_means(self.logger, metrics)
        record_mean_codes(self.logger, accuracy)
        record_rewards(self.logger, rewards, collected.task_rewards.reshape(-1))
        if self.relabels and isinstance(self.gen_algo, OnPolicyAlgorithm):
            paid = self.rounds.reward_scaling(rewards).reshape(dones.shape)
            relabel_rollout(self.gen_algo.rollout_buffer, paid, rollout["values"], rollout["dones"])
            for step_paid, step_dones in zip(paid, dones, strict=True):
                self.reward_venv.count_returns(step_paid, step_dones)
        self._survival.check_ends(self.reward_venv.n_successes, self.reward_venv.n_other_ends)
        record_round(self.logger, self.rounds.learner, self.reward_venv)

    # ------------------------------------------------------------------ saving

    def save(self, path: str | Path) -> Path:
        """Write everything that is needed to go on exactly, atomically, to one zip file (see the
        page on saving).

        :return: the path written to, with the suffix ``.zip`` if it had none
        :raises ValueError: a step callback of an off-policy generator saves
        """
        return checkpoint.save(self, path)

    @classmethod
    def load(
        cls,
        path: str | Path,
        venv: VecEnv | None = None,
        device: th.device | str | None = None,
    ) -> Self:
        """Read what :meth:`save` wrote.

        In as many environments as the run had, ``learn(..., reset_num_timesteps=False)`` goes on
        where it stopped: exactly, if they can give their state (the mazes can); else with new
        episodes. In another number of environments training goes on with new episodes: networks,
        optimisers, beta, counters, statistics and the replay buffer's latest steps are kept, the
        course of the run is another one, and an on-policy rollout has another length. Without
        environments the trainer predicts, evaluates and gives its reward.

        The generator inside is stored in SB3's own format, whose settings SB3 unpickles: load only
        files you trust.

        :param venv: environments like those it was trained in; None for none
        :param device: where generator and discriminator go; by default where they were
        :raises FileNotFoundError: no such file
        :raises ValueError: not a file of this class, truncated, of a later version, or for other
            environments
        """
        trainer, saved = cls.__new__(cls), checkpoint.read(cls, path, venv, device)
        trainer._setup(*saved.arguments())
        saved.restore(trainer)
        return trainer
