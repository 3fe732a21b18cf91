"""What is refused before training starts: settings that are out of range."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from sb3_vdb.networks import space_parts
from sb3_vdb.rewards import LOGIT_REWARDS
from sb3_vdb.vmail.discriminator import GRADIENT_PENALTIES

if TYPE_CHECKING:
    from sb3_vdb.vmail.vmail import VMAIL

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


def check_settings(model: VMAIL) -> None:
    """Refuse settings that are out of range.

    :raises ValueError: naming the setting, its value and what is possible
    """
    if not isinstance(model.action_space, gym.spaces.Box):
        raise ValueError(
            f"V-MAIL needs continuous actions (Box), the environment has {model.action_space}; its "
            "policy learns by gradients through the model"
        )
    space_parts(model.observation_space)
    _check_ranges(model)
    _check_choices(model)
    training_frequency(model.train_freq)
    steps = model.gradient_steps
    if not isinstance(steps, (int, np.integer)) or steps < -1:
        raise ValueError(f"`gradient_steps` must be a whole number from 0 on, or -1, got {steps}")
    if not model.max_grad_norm > 0.0:
        raise ValueError(f"`max_grad_norm` must be positive, got {model.max_grad_norm}")
    if model.env is not None:
        check_not_normalized(model.env)
    _check_sequences(model)
    has_code = model.policy_kwargs.get("code_dim") is not None
    if has_code != (model.information_limit is not None):
        raise ValueError(
            f"`information_limit` is {model.information_limit} and `code_dim` of `policy_kwargs` "
            f"is {model.policy_kwargs.get('code_dim')}; a bottleneck needs both, for example "
            "information_limit=0.5, policy_kwargs=dict(code_dim=64)"
        )


def check_not_normalized(venv: VecEnv) -> None:
    """Refuse VecNormalize.

    :raises ValueError: the environments are wrapped in it
    """
    if unwrap_vec_normalize(venv) is not None:
        raise ValueError(
            "the environments are wrapped in VecNormalize; V-MAIL compares with demonstrations as "
            "they were recorded and normalises by itself, so leave it out"
        )


def _check_ranges(model: VMAIL) -> None:
    for names, least in ((AT_LEAST_ONE, 1), (COUNTS, 0), (COUNTS_OR_NONE, 1)):
        for name in names:
            value = getattr(model, name)
            if names is COUNTS_OR_NONE and value is None:
                continue
            if not isinstance(value, (int, np.integer)) or value < least:
                raise ValueError(f"`{name}` must be a whole number from {least} on, got {value}")
    if model.batch_size < model.min_batch_size:
        raise ValueError(
            f"`batch_size` of {type(model).__name__} must be at least {model.min_batch_size}, half "
            f"being the expert's, got {model.batch_size}"
        )
    for name in NOT_NEGATIVE:
        value = getattr(model, name)
        if callable(value):
            continue
        if not isinstance(value, (int, float, np.number)) or not 0.0 <= value < math.inf:
            raise ValueError(f"`{name}` must be finite and not negative, got {value}")
    for name in FRACTIONS:
        value = getattr(model, name)
        if not callable(value) and value is not None and not 0.0 <= value <= 1.0:
            raise ValueError(f"`{name}` must be between 0 and 1, got {value}")
    if not 0.0 <= model.actor_decay < 1.0:
        raise ValueError(
            f"`actor_decay` must be at least 0 and below 1, got {model.actor_decay}; "
            "0.998 averages some 500 updates"
        )


def training_frequency(freq: Any) -> tuple[int, str]:
    """``train_freq`` as a number and ``"step"`` or ``"episode"``.

    :param freq: a number, or such a pair, which a saved file holds as a list
    :raises ValueError: it is neither
    """
    n, unit = freq if isinstance(freq, (tuple, list)) and len(freq) == 2 else (freq, "step")
    if not isinstance(n, (int, np.integer)) or n < 1 or unit not in ("step", "episode"):
        raise ValueError(
            f'`train_freq` must be a number of steps, (n, "step") or (n, "episode"), got {freq!r}'
        )
    return int(n), unit


def _check_sequences(model: VMAIL) -> None:
    """Refuse lengths that leave nothing to learn from."""
    if model.sequence_length < 2:
        raise ValueError(
            f"`sequence_length` must be at least 2 observations, got {model.sequence_length}"
        )
    if model.burn_in > model.sequence_length - 2:
        raise ValueError(
            f"`burn_in` {model.burn_in} leaves nothing of sequences of {model.sequence_length} "
            "observations; make it at most `sequence_length` - 2"
        )
    if model.buffer_size < model.sequence_length:
        raise ValueError(
            f"`buffer_size` {model.buffer_size} does not hold one sequence of "
            f"`sequence_length` {model.sequence_length}; make it several episodes long"
        )
    if model.horizon < 2 and (model.drop_last_reward or model.values_of_next_states):
        raise ValueError("`horizon` must be at least 2 where the last reward is dropped")


def _check_choices(model: VMAIL) -> None:
    choices: dict[str, tuple[Any, ...]] = {
        "returns": ("lambda", "sum"),
        "reward_type": tuple(LOGIT_REWARDS),
        "gradient_penalty": (*GRADIENT_PENALTIES, None),
    }
    for name, known in choices.items():
        if getattr(model, name) not in known:
            raise ValueError(
                f"`{name}` must be one of {', '.join(map(str, known))}, got {getattr(model, name)}"
            )
