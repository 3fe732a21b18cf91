"""The numbers an adversarial trainer runs with, checked before anything is built, and how they are
written to a file.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial.objective import (
    PENALTY_KINDS,
    PENALTY_SIDES,
    PenaltyKind,
    PenaltySide,
)
from sb3_vdb.adversarial.replay import can_be_paid
from sb3_vdb.adversarial.reward_scaling import SCALINGS, Scaling
from sb3_vdb.arguments import (
    finite_number,
    fraction,
    number_from_zero,
    one_of,
    plain,
    positive_int,
    positive_number,
    seed_or_none,
    whole_number,
)
from sb3_vdb.discriminators import PENALTY_TARGETS, Discriminator, PenaltyTarget
from sb3_vdb.files import expanded
from sb3_vdb.rewards import LEAST_SQUARES
from sb3_vdb.vdb import DEFAULT_BETA_STEP_SIZE, LOSSES, Constraint, DualVariable
from sb3_vdb.vec_env import lowest_normalize
from sb3_vdb.views import View

Number = TypeVar("Number", int, float)
GeneratorSamples = Literal["round", "replay"]
GENERATOR_SAMPLES: tuple[GeneratorSamples, ...] = ("round", "replay")

# arguments of a discriminator that its trainer has itself
OWN_ARGUMENTS = ("normalize_inputs", "input_noise_std", "hidden_noise_std")
DEFAULT_CODE_DIM = 32
DEFAULT_INFORMATION_LIMIT = 0.5  # nats; the paper's for motion imitation and the C-maze
DEFAULT_BETA = 0.1  # the authors' image experiments
# Rounds, unless they are set. An off-policy generator learns at every step, and the discriminator
# has to keep pace: of 16 updates every 1,000 steps, once the default, SAC learned nothing.
ON_POLICY_UPDATES = 16  # discriminator updates in a round
OFF_POLICY_UPDATES = 64
OFF_POLICY_ROUND = 256  # environment steps of an off-policy generator in a round


@dataclass(frozen=True)
class AdversarialSettings:
    """Numbers of a run; described with :class:`~sb3_vdb.adversarial.trainer.AdversarialTrainer`."""

    demo_batch_size: int
    n_disc_updates_per_round: int
    disc_learning_rate: float
    grad_penalty_coef: float
    grad_penalty_on: PenaltySide
    grad_penalty_target: PenaltyTarget
    reward_type: str | None
    reward_scaling: Scaling
    relabel: bool | None
    train_timesteps: int | None
    log_dir: str | None
    seed: int | None
    device: str
    verbose: int
    trace_updates: bool | None = None
    terminal_reward: float | None = None
    disc_loss: str = "cross_entropy"
    end_below: float | None = None
    task_reward_coef: float = 0.0
    generator_samples: GeneratorSamples = "round"
    grad_penalty_kind: PenaltyKind = "zero_centered"

    def __post_init__(self) -> None:
        """Check all values, and turn them into plain ones, which can be written to a file."""
        for name, value in self._checked().items():
            object.__setattr__(self, name, value)

    def _checked(self) -> dict[str, Any]:
        if callable(self.disc_learning_rate):
            raise ValueError(
                f"`disc_learning_rate` must be a number, got {self.disc_learning_rate!r}; "
                "schedules are for the generator's learning rate"
            )
        chosen = {
            "grad_penalty_on": PENALTY_SIDES,
            "grad_penalty_kind": PENALTY_KINDS,
            "generator_samples": GENERATOR_SAMPLES,
            "grad_penalty_target": PENALTY_TARGETS,
            "reward_scaling": SCALINGS,
            "relabel": (True, False, None),
            "trace_updates": (True, False, None),
            "disc_loss": tuple(LOSSES),
        }
        return {
            "demo_batch_size": positive_int("demo_batch_size", self.demo_batch_size),
            "n_disc_updates_per_round": positive_int(
                "n_disc_updates_per_round", self.n_disc_updates_per_round
            ),
            "disc_learning_rate": positive_number("disc_learning_rate", self.disc_learning_rate),
            "grad_penalty_coef": number_from_zero("grad_penalty_coef", self.grad_penalty_coef),
            "train_timesteps": _if_given(positive_int, "gen_train_timesteps", self.train_timesteps),
            "task_reward_coef": number_from_zero("task_reward_coef", self.task_reward_coef),
            "seed": seed_or_none("seed", self.seed),
            "end_below": _if_given(fraction, "end_below", self.end_below),
            "terminal_reward": _if_given(finite_number, "terminal_reward", self.terminal_reward),
            "verbose": whole_number("verbose", int(self.verbose), 0),
            "device": str(self.device),
            "log_dir": None if self.log_dir is None else str(expanded(self.log_dir)),
            **{name: one_of(name, plain(getattr(self, name)), chosen[name]) for name in chosen},
        }

    def round_length(self, gen_algo: BaseAlgorithm) -> int:
        """Count the environment steps of one round: a rollout of an on-policy generator, else
        ``gen_train_timesteps``.
        """
        if isinstance(gen_algo, OnPolicyAlgorithm):
            rollout = int(gen_algo.n_steps) * gen_algo.n_envs
            if self.train_timesteps not in (None, rollout):
                raise ValueError(
                    f"`gen_train_timesteps` is {self.train_timesteps}, but a round of the "
                    "on-policy "
                    f"{type(gen_algo).__name__} is its rollout of {rollout} steps; leave it out "
                    "and set `n_steps` there"
                )
            return rollout
        return OFF_POLICY_ROUND if self.train_timesteps is None else self.train_timesteps

    def check_batch(self, n_expert: int, n_generator: int, distinct: bool = True) -> None:
        """Refuse batches larger than a round, and warn where a batch repeats demonstrated steps.

        :param n_expert: demonstrated transitions
        :param n_generator: transitions of a round of the generator
        :param distinct: whether demonstrated steps look different, so that repeating them matters
        :raises ValueError: a batch is larger than a round
        """
        if self.demo_batch_size > n_generator:
            raise ValueError(
                f"`demo_batch_size` is {self.demo_batch_size}, but a round of the generator has "
                f"only {n_generator} transitions; use a smaller batch or a larger `n_steps`, "
                "`n_envs` or (off-policy) `gen_train_timesteps`"
            )
        if distinct and self.demo_batch_size > n_expert:
            warnings.warn(
                f"`demo_batch_size` is {self.demo_batch_size} and the demonstrations have "
                f"{n_expert} transitions, so that every batch repeats some of them",
                stacklevel=4,
            )

    def relabels(self, gen_algo: BaseAlgorithm, venv: VecEnv) -> bool:
        """Say whether steps are paid after the discriminator's update, not when they are taken, by
        default wherever that is possible.
        """
        normalize = lowest_normalize(venv)
        # algorithms with a rollout of their own (recurrent, masked) do not tell its last values
        collect = getattr(type(gen_algo), "collect_rollouts", None)
        possible = collect is OnPolicyAlgorithm.collect_rollouts or can_be_paid(gen_algo)
        if normalize is not None and normalize.norm_reward:
            possible = False
        if self.relabel and not possible:
            raise ValueError(
                "`relabel` is True, which needs an on-policy generator with SB3's own "
                "`collect_rollouts`, or one with SB3's own ReplayBuffer or DictReplayBuffer, and "
                "no VecNormalize(norm_reward=True) above the reward; leave it out, or use "
                "`reward_scaling` instead of VecNormalize"
            )
        return possible if self.relabel is None else self.relabel

    def check_generator_samples(self, gen_algo: BaseAlgorithm) -> None:
        """Refuse samples from a replay buffer where there is none.

        :raises ValueError: naming the generator
        """
        if self.generator_samples == "replay" and not can_be_paid(gen_algo):
            raise ValueError(
                '`generator_samples` is "replay", and '
                f"{type(gen_algo).__name__} has no ReplayBuffer or DictReplayBuffer of SB3's own; "
                'use an off-policy generator with one, or "round"'
            )

    def emergency_path(self, name: str, num_timesteps: int) -> Path:
        """Say where the state is saved when training has to stop."""
        return Path(self.log_dir or ".") / f"{name.lower()}_stopped_at_{num_timesteps}.zip"

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-able values."""
        return asdict(self)


def updates_per_round(n_updates: int | None, gen_algo: BaseAlgorithm) -> int:
    """Give the number of discriminator updates in a round, by default the kind of generator's."""
    if n_updates is not None:
        return n_updates
    on_policy = isinstance(gen_algo, OnPolicyAlgorithm)
    return ON_POLICY_UPDATES if on_policy else OFF_POLICY_UPDATES


def _if_given(check: Callable[[str, Any], Number], name: str, value: Any) -> Number | None:
    return None if value is None else check(name, value)


def checked_reward_type(reward_type: str | None, allowed: tuple[str, ...]) -> str:
    """Give the reward type, the first allowed one by default.

    :raises ValueError: it is not among those allowed
    """
    if reward_type is None:
        return allowed[0]
    if reward_type not in allowed:
        raise ValueError(f"`reward_type` must be one of {', '.join(allowed)}, got {reward_type!r}")
    return reward_type


def reward_type_of(settings: AdversarialSettings, allowed: tuple[str, ...]) -> str:
    """Give the reward type of a run: that of the loss, else the first one of cross entropy.

    :param settings: of the run
    :param allowed: reward types of the discriminator
    :raises ValueError: loss, reward and discriminator do not fit together
    """
    by_squares = settings.disc_loss == LEAST_SQUARES
    if by_squares and LEAST_SQUARES not in allowed:
        raise ValueError(
            '`disc_loss` "least_squares" is for GAIL and VAIL; the logits of AIRL types are '
            'differences of log-densities, use "cross_entropy"'
        )
    fitting = tuple(each for each in allowed if (each == LEAST_SQUARES) == by_squares)
    return checked_reward_type(settings.reward_type, fitting)


def discriminator_arguments(
    discriminator_class: type[Discriminator],
    has_bottleneck: bool,
    gamma: float,
    view: View | None,
    discriminator_kwargs: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Combine an algorithm's defaults with the user's ``discriminator_kwargs``.

    :param discriminator_class: of the algorithm
    :param has_bottleneck: whether it has a code
    :param gamma: discount of the generator, the default of a discriminator that has one
    :param view: what the demonstrations say is seen of them, the default of GAIL types; None for
        nothing
    :param discriminator_kwargs: the user's
    :raises ValueError: an entry that this discriminator does not have
    """
    allowed = [name for name in discriminator_class.argument_names() if name not in OWN_ARGUMENTS]
    arguments: dict[str, Any] = {"gamma": gamma} if "gamma" in allowed else {}
    if view is not None and not discriminator_class.needs_density:
        arguments["view"] = view
    if has_bottleneck:
        arguments["code_dim"] = DEFAULT_CODE_DIM
    else:
        allowed.remove("code_dim")
    for name, value in (discriminator_kwargs or {}).items():
        if name not in allowed:
            raise ValueError(
                f"`discriminator_kwargs` has no entry `{name}` here; it may have "
                f"{', '.join(allowed)}"
            )
        arguments[name] = value
    if has_bottleneck and arguments["code_dim"] is None:
        raise ValueError(
            "`code_dim` must be positive, got None; use GAIL or AIRL for no bottleneck"
        )
    return arguments


def make_dual(
    algorithm: str,
    has_bottleneck: bool,
    *,
    information_limit: float | None,
    beta: float,
    beta_step_size: float,
    constraint: Constraint,
) -> DualVariable | None:
    """Make the dual variable of an algorithm with a bottleneck; the others take none of its
    arguments.

    :raises ValueError: an argument is out of range, or the algorithm has no bottleneck
    """
    if has_bottleneck:
        limit = DEFAULT_INFORMATION_LIMIT if information_limit is None else information_limit
        return DualVariable(limit, beta, beta_step_size, constraint)
    for name, value, default in (
        ("information_limit", information_limit, None),
        ("beta", beta, DEFAULT_BETA),
        ("beta_step_size", beta_step_size, DEFAULT_BETA_STEP_SIZE),
        ("constraint", constraint, "average"),
    ):
        if value != default:
            raise ValueError(
                f"`{name}` is {value}, but {algorithm} has no bottleneck; "
                f"use {algorithm.replace('GAIL', 'VAIL').replace('AIRL', 'VAIRL')}"
            )
    return None
