"""What is refused before training starts: settings that are out of range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from sb3_vdb.arguments import (
    fraction,
    number_from_zero,
    positive_number,
    seed_or_none,
    whole_number,
)
from sb3_vdb.box_scaling import check_bounded_actions
from sb3_vdb.networks import space_parts
from sb3_vdb.rewards import LOGIT_REWARDS
from sb3_vdb.vmail.discriminator import GRADIENT_PENALTIES

Settings = Mapping[str, Any]  # arguments of the algorithm by their names

AT_LEAST_ONE = (
    "buffer_size",
    "batch_size",
    "sequence_length",
    "horizon",
    "target_update_interval",
)
COUNTS = ("burn_in", "learning_starts", "pretrain_steps")  # from 0
COUNTS_OR_NONE = ("n_imagined", "n_reconstructed")
NOT_NEGATIVE = (
    "learning_rate",
    "discriminator_learning_rate",
    "actor_learning_rate",
    "value_learning_rate",
    "ent_coef",
    "bc_coef",
    "exploration_noise",
    "kl_coef",
    "free_nats",
    "gradient_penalty_coef",
    "weight_decay",
)
FRACTIONS = ("gamma", "td_lambda", "tau", "kl_balance", "expert_fraction")
FRACTIONS_OR_NONE = ("kl_balance", "expert_fraction")


def check_spaces(observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
    """Refuse spaces that V-MAIL cannot model.

    :param observation_space: the algorithm's, pictures with channels first
    :param action_space: the environment's
    :raises ValueError: naming what is wrong and the remedy
    """
    check_bounded_actions(action_space, "V-MAIL")
    space_parts(observation_space)


def check_settings(settings: Settings) -> None:
    """Refuse settings that are out of range.

    :param settings: arguments of the algorithm by their names
    :raises ValueError: naming the setting, its value and what is possible
    """
    seed_or_none("seed", settings["seed"])
    _check_ranges(settings)
    _check_choices(settings)
    training_frequency(settings["train_freq"])
    if not isinstance(settings["stored_beliefs"], (bool, np.bool_)):
        raise ValueError(
            f"`stored_beliefs` must be True or False, got {settings['stored_beliefs']!r}"
        )
    steps = settings["gradient_steps"]
    if not isinstance(steps, (int, np.integer)) or isinstance(steps, bool) or steps < -1:
        raise ValueError(f"`gradient_steps` must be a whole number from 0 on, or -1, got {steps}")
    norm = settings["max_grad_norm"]
    if norm != math.inf:
        positive_number("max_grad_norm", norm)
    _check_sequences(settings)
    _check_bottleneck(settings["information_limit"], settings["policy_kwargs"].get("code_dim"))


def check_batch_size(batch_size: int, least: int, algorithm: str) -> None:
    """Refuse a batch without a sequence of the policy.

    :param batch_size: sequences of an update
    :param least: how many the algorithm needs
    :param algorithm: its name
    :raises ValueError: it is too small
    """
    if batch_size < least:
        raise ValueError(
            f"`batch_size` of {algorithm} must be at least {least}, half being the expert's, got "
            f"{batch_size}"
        )


def check_not_normalized(venv: VecEnv) -> None:
    """Refuse VecNormalize.

    :param venv: environments to learn in
    :raises ValueError: the environments are wrapped in it
    """
    if unwrap_vec_normalize(venv) is not None:
        raise ValueError(
            "the environments are wrapped in VecNormalize; V-MAIL compares with demonstrations as "
            "they were recorded and normalises by itself, so leave it out"
        )


def training_frequency(freq: Any) -> tuple[int, str]:
    """Return ``train_freq`` as a number and ``"step"`` or ``"episode"``.

    :param freq: a number, or such a pair, which a saved file holds as a list
    :raises ValueError: it is neither
    """
    n, unit = freq if isinstance(freq, (tuple, list)) and len(freq) == 2 else (freq, "step")
    is_count = isinstance(n, (int, np.integer)) and not isinstance(n, bool)
    if not is_count or n < 1 or unit not in ("step", "episode"):
        raise ValueError(
            f'`train_freq` must be a number of steps, (n, "step") or (n, "episode"), got {freq!r}'
        )
    return int(n), unit


def _check_ranges(settings: Settings) -> None:
    for name in AT_LEAST_ONE:
        whole_number(name, settings[name], 1)
    for name in COUNTS:
        whole_number(name, settings[name], 0)
    for name in COUNTS_OR_NONE:
        if settings[name] is not None:
            whole_number(name, settings[name], 1)
    for name in NOT_NEGATIVE:
        if not callable(settings[name]):
            number_from_zero(name, settings[name])
    for name in FRACTIONS:
        value = settings[name]
        if not callable(value) and not (value is None and name in FRACTIONS_OR_NONE):
            fraction(name, value)
    decay = settings["actor_decay"]
    if fraction("actor_decay", decay) == 1.0:
        raise ValueError(
            f"`actor_decay` must be at least 0 and below 1, got {decay}; "
            "0.998 averages some 500 updates"
        )


def _check_choices(settings: Settings) -> None:
    choices: dict[str, tuple[Any, ...]] = {
        "returns": ("lambda", "sum"),
        "reward_type": tuple(LOGIT_REWARDS),
        "gradient_penalty": (*GRADIENT_PENALTIES, None),
    }
    for name, known in choices.items():
        if settings[name] not in known:
            raise ValueError(
                f"`{name}` must be one of {', '.join(map(str, known))}, got {settings[name]}"
            )


def _check_sequences(settings: Settings) -> None:
    """Refuse lengths that leave nothing to learn from."""
    length, burn_in, buffer_size = (
        settings[name] for name in ("sequence_length", "burn_in", "buffer_size")
    )
    if length < 2:
        raise ValueError(f"`sequence_length` must be at least 2 observations, got {length}")
    if burn_in > length - 2:
        raise ValueError(
            f"`burn_in` {burn_in} leaves nothing of sequences of {length} "
            "observations; make it at most `sequence_length` - 2"
        )
    if buffer_size < length:
        raise ValueError(
            f"`buffer_size` {buffer_size} does not hold one sequence of "
            f"`sequence_length` {length}; make it several episodes long"
        )
    drops_last = settings["drop_last_reward"] or settings["values_of_next_states"]
    if settings["horizon"] < 2 and drops_last:
        raise ValueError("`horizon` must be at least 2 where the last reward is dropped")


def _check_bottleneck(information_limit: float | None, code_dim: int | None) -> None:
    """Refuse a bottleneck of which one half is missing."""
    if (code_dim is not None) != (information_limit is not None):
        raise ValueError(
            f"`information_limit` is {information_limit} and `code_dim` of `policy_kwargs` "
            f"is {code_dim}; a bottleneck needs both, for example "
            "information_limit=0.5, policy_kwargs=dict(code_dim=64)"
        )
