"""V-MAIL: imitation from pixels inside a learned world model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch as th
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import update_learning_rate

from sb3_vdb.arguments import plain
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.finite_weights import LastFiniteWeights
from sb3_vdb.schedules import value_at
from sb3_vdb.vdb import DEFAULT_BETA_STEP_SIZE, ConstraintWatch, DualVariable
from sb3_vdb.vec_env import action_repeat_of
from sb3_vdb.vmail import validation
from sb3_vdb.vmail.collector import Collector
from sb3_vdb.vmail.discriminator import GradientPenalty
from sb3_vdb.vmail.engines import EngineName, engines_for
from sb3_vdb.vmail.learner import Learner
from sb3_vdb.vmail.log import TrainingFigures, log_updates
from sb3_vdb.vmail.losses import LossSettings, Returns
from sb3_vdb.vmail.memory import PlaceName
from sb3_vdb.vmail.metrics import UpdateMetrics
from sb3_vdb.vmail.network_losses import NetworkLosses
from sb3_vdb.vmail.policies import NETWORKS, CnnPolicy, MlpPolicy, MultiInputPolicy, VMAILPolicy
from sb3_vdb.vmail.replay_buffer import SequenceBatch, SequenceReplayBuffer
from sb3_vdb.vmail.sequence_algorithm import SequenceAlgorithm
from sb3_vdb.vmail.source_tasks import SourceTasks, transfer
from sb3_vdb.vmail.update import Update, UpdateSettings
from sb3_vdb.vmail.vmail_losses import VMAILLosses


class VMAIL(SequenceAlgorithm):
    """Learns by Variational Model-Based Adversarial Imitation Learning.

    *Paper*: Rafailov, Yu, Rajeswaran, Finn, "Visual Adversarial Imitation Learning using
    Variational Models", NeurIPS 2021.

    *Equations*: world model eq. 7, discriminator eq. 6 on (z, a), policy eq. 8 by gradients through
    the forward model, Algorithm 1.

    *Differences from the reference*: the defaults follow the paper's text, but for ``td_lambda``
    and ``learning_starts``, which ``preset("paper")`` sets; what its code does otherwise is an
    argument, and ``preset("authors-code")`` sets them all. An evaluated policy takes the mode of
    its belief and tanh(mean), the code a sample of the belief and the best of 100 actions.

    Time steps are decisions, as everywhere in SB3; ``time/env_frames`` counts the environment's
    own frames where an action lasts several.

    :param policy: ``"CnnPolicy"`` for pictures, ``"MlpPolicy"`` for vectors, ``"MultiInputPolicy"``
        for a Dict of both
    :param env: environment to learn in, or its id
    :param demonstrations: expert episodes with actions, each at least ``sequence_length``
        observations long, as the environment would observe them
    :param learning_rate: of the world model; can be a function of the remaining progress
    :param discriminator_learning_rate: of the discriminator
    :param actor_learning_rate: of the actor
    :param value_learning_rate: of the value
    :param buffer_size: observations of the policy that are kept
    :param learning_starts: decisions at random before the policy decides; Algorithm 1 begins with
        an environment buffer, the authors' code with none
    :param batch_size: sequences of an update, and as many of the expert
    :param sequence_length: observations of a sequence
    :param train_freq: decisions of each environment between training phases, or ``(n, "step")``, or
        ``(n, "episode")`` for ended episodes of all environments
    :param gradient_steps: updates of a training phase; -1 for as many as decisions since the last
    :param pretrain_steps: updates before the first decision, on expert data
    :param expert_fraction: probability that a sequence of the joint buffer is the expert's, or a
        function of the remaining progress; None gives every episode the same probability
    :param burn_in: first states of each sequence, whose belief has just begun from nothing, that
        neither meet the discriminator nor start imagination; the authors' code takes them all
    :param stored_beliefs: keep the belief with each observation, and let sequences that begin in
        the middle of an episode begin from it. Otherwise they begin from nothing, as the paper's,
        and the discriminator can tell beliefs of the expert from imagined ones by their age.
    :param n_reconstructed: observations of an update that the world model decodes, chosen at
        random; None for all. Decoding is more than a quarter of a small update.
    :param gamma: discount
    :param horizon: steps of an imagined rollout, H
    :param n_imagined: rollouts of an update; None starts one from every state of the batch
    :param returns: ``"lambda"``: with values beyond the rollout (eq. 8), ``"sum"``: discounted
        rewards of the rollout alone (the authors' code on DMC)
    :param td_lambda: 1 trusts the rollout (eq. 8), 0 the values
    :param drop_last_reward: leave out the rollout's last reward (the authors' code)
    :param values_of_next_states: take V(z_{i+1}) for the value of z_i (the authors' code)
    :param reward_type: ``"log_d"`` (eq. 8), ``"probability"`` (the authors' code), ``"logit"`` or
        ``"gail"``, see :mod:`sb3_vdb.rewards`
    :param ent_coef: weight of the policy's entropy
    :param bc_coef: weight of the squared difference between the policy's actions and the expert's
        in the expert's states, in addition to eq. 8, as in
        `TD3+BC <https://arxiv.org/abs/2106.06860>`_; the paper has none
    :param exploration_noise: standard deviation of the noise that is added to actions in training,
        or a function of the remaining progress
    :param kl_coef: weight of the divergence in eq. 7
    :param free_nats: mean divergence below which nothing is gained
    :param kl_balance: share of the divergence's gradient that goes to the forward model; None for
        the plain divergence
    :param gradient_penalty: ``"one_centered"``, ``"one_centered_weights"`` (the authors' code: the
        gradient with respect to the discriminator's weights) or None
    :param gradient_penalty_coef: its weight
    :param information_limit: I_c of the discriminator's bottleneck in nats, with
        ``policy_kwargs=dict(code_dim=...)``; None for no bottleneck
    :param beta: initial dual variable of the bottleneck
    :param beta_step_size: alpha_beta of eq. 9 of the VDB paper
    :param tau: how far the slow target of the value follows at a time
    :param target_update_interval: updates between two steps of the target
    :param actor_decay: share of itself that an average of the actor's weights keeps at an update;
        ``predict`` acts with it, which can help where the policy swings back and forth. 0 for the
        latest weights, the paper's, with which training acts in any case.
    :param max_grad_norm: norm to which each network's gradient is clipped
    :param weight_decay: of all optimisers
    :param engine: ``"eager"``, ``"compile"``, ``"cuda_graph"``, or ``"auto"``: plain PyTorch, on
        a GPU the first that works of a CUDA graph, ``torch.compile`` and plain PyTorch
    :param tf32: let a GPU multiply and convolve in TF32, or forbid it
    :param replay_place: ``"cuda"``, ``"memory"``, ``"disk"``, or ``"auto"``: the first with room
    :param replay_folder: for a replay buffer on disk; None for the system's temporary folder
    :param stats_window_size: episodes that ``rollout/`` figures are averaged over
    :param tensorboard_log: folder of TensorBoard logs
    :param policy_kwargs: sizes of the networks, see :class:`~sb3_vdb.vmail.policies.VMAILPolicy`
    :param verbose: 0 nothing, 1 info, 2 debug
    :param seed: of everything that is random
    :param device: of the networks
    :param _init_setup_model: whether to build the networks now
    :raises ValueError: an argument is out of range, or the demonstrations do not fit
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "CnnPolicy": CnnPolicy,
        "MlpPolicy": MlpPolicy,
        "MultiInputPolicy": MultiInputPolicy,
    }
    losses_class: ClassVar[type[NetworkLosses]] = VMAILLosses
    min_batch_size: ClassVar[int] = 1
    dual: DualVariable | None = None  # of the bottleneck, made with the networks

    def __init__(
        self,
        policy: str | type[VMAILPolicy],
        env: GymEnv | str,
        demonstrations: Demonstrations | None = None,
        learning_rate: float | Schedule = 6e-4,
        discriminator_learning_rate: float | Schedule = 8e-5,
        actor_learning_rate: float | Schedule = 8e-5,
        value_learning_rate: float | Schedule = 8e-5,
        buffer_size: int = 250_000,
        learning_starts: int = 0,
        batch_size: int = 128,
        sequence_length: int = 50,
        train_freq: int | tuple[int, str] = 500,
        gradient_steps: int = 200,
        pretrain_steps: int = 100,
        expert_fraction: float | Schedule | None = None,
        burn_in: int = 0,
        stored_beliefs: bool = False,
        n_reconstructed: int | None = None,
        gamma: float = 0.99,
        horizon: int = 15,
        n_imagined: int | None = None,
        returns: Returns = "lambda",
        td_lambda: float = 0.95,
        drop_last_reward: bool = False,
        values_of_next_states: bool = False,
        reward_type: str = "log_d",
        ent_coef: float = 0.0,
        bc_coef: float = 0.0,
        exploration_noise: float | Schedule = 0.3,
        kl_coef: float = 1.0,
        free_nats: float = 3.0,
        kl_balance: float | None = None,
        gradient_penalty: GradientPenalty | None = "one_centered",
        gradient_penalty_coef: float = 1.0,
        information_limit: float | None = None,
        beta: float = 0.1,
        beta_step_size: float = DEFAULT_BETA_STEP_SIZE,
        tau: float = 1.0,
        target_update_interval: int = 1,
        actor_decay: float = 0.0,
        max_grad_norm: float = 100.0,
        weight_decay: float = 0.0,
        engine: EngineName = "auto",
        tf32: bool = True,
        replay_place: PlaceName = "auto",
        replay_folder: str | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        super().__init__(
            policy,  # type: ignore[arg-type]
            env,
            plain(learning_rate),
            policy_kwargs=policy_kwargs,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=plain(seed),
        )
        self.discriminator_learning_rate = discriminator_learning_rate
        self.actor_learning_rate = actor_learning_rate
        self.value_learning_rate = value_learning_rate
        self.buffer_size, self.learning_starts = buffer_size, learning_starts
        self.batch_size, self.sequence_length = batch_size, sequence_length
        self.train_freq, self.gradient_steps = train_freq, gradient_steps
        self.pretrain_steps, self.expert_fraction = pretrain_steps, expert_fraction
        self.burn_in, self.stored_beliefs, self.gamma = burn_in, stored_beliefs, gamma
        self.n_reconstructed, self.horizon, self.n_imagined = n_reconstructed, horizon, n_imagined
        self.exploration_noise, self.actor_decay = exploration_noise, actor_decay
        self.returns, self.td_lambda = returns, td_lambda
        self.drop_last_reward, self.values_of_next_states = drop_last_reward, values_of_next_states
        self.reward_type, self.ent_coef, self.bc_coef = reward_type, ent_coef, bc_coef
        self.kl_coef, self.free_nats, self.kl_balance = kl_coef, free_nats, kl_balance
        self.gradient_penalty, self.gradient_penalty_coef = gradient_penalty, gradient_penalty_coef
        self.information_limit = information_limit
        self.beta, self.beta_step_size, self.tau = beta, beta_step_size, tau
        self.target_update_interval, self.max_grad_norm = target_update_interval, max_grad_norm
        self.weight_decay, self.engine, self.tf32 = weight_decay, engine, tf32
        self.replay_place, self.replay_folder = replay_place, replay_folder
        self.replay_buffer: SequenceReplayBuffer | None = None
        # environment frames that an action lasts; None where the environments do not say
        self.action_repeat = None if self.env is None else action_repeat_of(self.env)
        if _init_setup_model:
            if env is None:
                raise ValueError("`env` is None; give an environment or its id, for its spaces")
            engines_for(engine, self.device)
            self._check()  # and in _setup_model, for settings changed in loading
            episodes = self._stored(demonstrations)
            self._setup_model()
            self._check_can_be_saved()
            self._put_demonstrations(episodes)

    # ------------------------------------------------------------------ set-up

    def _check(self) -> None:
        """Refuse settings and environments that V-MAIL cannot learn with."""
        validation.check_spaces(self.observation_space, self.action_space)
        validation.check_settings(vars(self))
        validation.check_batch_size(self.batch_size, self.min_batch_size, type(self).__name__)
        if self.env is not None:
            validation.check_not_normalized(self.env)

    def _setup_model(self) -> None:
        self._check()
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        sizes = {**self.policy_kwargs, "average_actor": self.actor_decay > 0.0}
        self.policy = self.policy_class(  # type: ignore[assignment]
            self.observation_space, self.action_space, self.lr_schedule, **sizes
        ).to(self.device)
        rates = {name: self.learning_rate_of(name) for name in NETWORKS}
        self.policy.make_optimizers(rates, self.weight_decay)
        if self.dual is None and self.information_limit is not None:
            self.dual = DualVariable(self.information_limit, self.beta, self.beta_step_size)
        self._constraint = None if self.dual is None else ConstraintWatch(self.dual)
        self._make_learner()

    def _make_learner(self) -> None:
        """Make what collects and updates with the policy's networks."""
        self._collector = Collector(self.policy, self.n_envs)
        losses = self.losses_class(self.policy, self.loss_settings())
        steps = UpdateSettings(
            self.max_grad_norm, self.tau, self.target_update_interval, self.actor_decay
        )
        update = Update(losses, steps)
        self._learner = Learner(update, self.dual, self.engine, self.tf32)
        self._last_finite = LastFiniteWeights(self.policy, update.optimizers().values())

    def loss_settings(self) -> LossSettings:
        """Return what the losses depend on."""
        penalty = self.gradient_penalty if self.gradient_penalty_coef > 0.0 else None
        values = {name: getattr(self, name) for name in LossSettings._fields}
        return LossSettings(**{**values, "gradient_penalty": penalty})

    def learning_rate_of(self, network: str) -> float:
        """Return the present learning rate of a network.

        :param network: its name in ``sb3_vdb.vmail.policies.NETWORKS``
        """
        rate = self.lr_schedule if network == "model" else getattr(self, f"{network}_learning_rate")
        return value_at(rate, self._current_progress_remaining)

    # ------------------------------------------------------------------ transfer

    @staticmethod
    def learn_tasks(
        tasks: Mapping[str, SequenceAlgorithm], total_timesteps: int, **kwargs: Any
    ) -> SourceTasks:
        """Learn several source tasks with one world model (Algorithm 2, line 3).

        :param tasks: by name, each newly made with its environment and demonstrations
        :param total_timesteps: decisions in each task's environment
        :param kwargs: of :meth:`.SourceTasks.learn`
        :return: the tasks, whose ``transfer(demonstrations, ...)`` learns a target
        :raises ValueError: the tasks cannot share a world model
        """
        return SourceTasks(tasks).learn(total_timesteps, **kwargs)

    def transfer(
        self, demonstrations: Demonstrations, gradient_steps: int, **changes: Any
    ) -> SequenceAlgorithm:
        """Learn a target task from its demonstrations inside this model, without a step in an
        environment; see :meth:`.SourceTasks.transfer`.
        """
        return transfer([self], demonstrations, gradient_steps, **changes)

    # ------------------------------------------------------------------ training

    def train(self, gradient_steps: int) -> None:
        """Carry out updates.

        :param gradient_steps: how many
        :raises NonFiniteError: a loss or a weight is not finite; the networks as they were when
            they were last finite were saved
        """
        if not self._last_finite.is_kept:
            self._last_finite.keep()
        self.policy.set_training_mode(True)
        for name, optimizer in self._learner.update.optimizers().items():
            update_learning_rate(optimizer, self.learning_rate_of(name))
        figures = []
        for _ in range(gradient_steps):
            with self._saving_before_errors():
                figures.append(self._learner.step(*self.sample_batches(), self._n_updates))
                self._keep_beliefs()
            self._n_updates += 1
        with self._saving_before_errors():
            self._last_finite.keep()
        if figures:
            self._log_updates(UpdateMetrics(*th.stack(figures).mean(dim=0).tolist()))

    def _keep_beliefs(self) -> None:
        """Write what the last update inferred into the replay buffer, where it is asked for."""
        inferred = self._learner.update.losses.inferred
        if self.stored_beliefs and inferred is not None:
            assert self.replay_buffer is not None
            self.replay_buffer.write_beliefs(inferred)

    def sample_batches(self) -> tuple[SequenceBatch, SequenceBatch]:
        """Sample what an update learns from: sequences of the joint buffer, and of the expert."""
        assert self.replay_buffer is not None
        joint = self.replay_buffer.sample(self.batch_size, self.present_expert_fraction())
        return joint, self.replay_buffer.sample_expert(self.batch_size)

    def present_expert_fraction(self) -> float | None:
        """Return the probability that a sequence of the joint buffer is the expert's; None for the
        share of its episodes.
        """
        if self.expert_fraction is None:
            return None
        fraction = value_at(self.expert_fraction, self._current_progress_remaining)
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(
                f"`expert_fraction` must be between 0 and 1, its schedule gave {fraction}"
            )
        return fraction

    def _log_updates(self, metrics: UpdateMetrics) -> None:
        """Log figures of a training phase."""
        assert self.replay_buffer is not None
        if self._constraint is not None:
            self._constraint.note(float(metrics.code_kl))
        fraction = self.present_expert_fraction()
        training = TrainingFigures(
            None if self.dual is None else self.dual.beta,
            self.replay_buffer.expert_share() if fraction is None else fraction,
            self._n_updates,
            self.learning_rate_of("model"),
        )
        log_updates(self.logger, metrics, training)
