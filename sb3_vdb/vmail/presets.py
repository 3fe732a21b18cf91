"""Settings of V-MAIL by name. How they were chosen is told in ``docs/notes/vmail_presets.md``."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

# The paper's text; what it leaves open is taken from its code.
PAPER: dict[str, Any] = {
    "learning_starts": 500,
    "returns": "lambda",
    "td_lambda": 1.0,
    "reward_type": "log_d",
    "gradient_penalty": "one_centered",
}
# https://github.com/rmrafailov/VMAIL, dm_control, where it departs from the text.
AUTHORS_CODE: dict[str, Any] = {
    "returns": "sum",
    "drop_last_reward": True,
    "values_of_next_states": True,
    "reward_type": "probability",
    "gradient_penalty": "one_centered_weights",
}
# What later work on the same world model settled on (DreamerV2 and ports of V-MAIL).
STRONG: dict[str, Any] = {
    "td_lambda": 0.95,
    "reward_type": "log_d",
    "gradient_penalty": "one_centered",
    "gradient_penalty_coef": 10.0,
    "ent_coef": 1e-4,
    "kl_balance": 0.8,
    "free_nats": 1.0,
    "target_update_interval": 100,
    "policy_kwargs": {"latent": "categorical", "stoch_dim": 32, "n_classes": 32},
}
# Small networks and short sequences for two cores, chosen on cart-pole swing-up.
LAPTOP: dict[str, Any] = {
    "learning_rate": 2e-3,
    "discriminator_learning_rate": 2e-4,
    "actor_learning_rate": 3e-4,
    "value_learning_rate": 1e-3,
    "batch_size": 16,
    "sequence_length": 20,
    "burn_in": 5,
    "train_freq": 500,
    "gradient_steps": -1,
    "expert_fraction": 0.5,
    "horizon": 10,
    "n_imagined": 128,
    "kl_coef": 0.1,
    "kl_balance": 0.8,
    "free_nats": 1.0,
    "ent_coef": 0.02,
    "tau": 0.02,
    "policy_kwargs": {
        "deter_dim": 128,
        "stoch_dim": 24,
        "hidden_dim": 128,
        "units": 128,
        "picture_net": "patches",
        "cnn_depth": 12,
        "standardize_pictures": True,
        "actor_layers": 2,
        "value_layers": 2,
        "discriminator_net_arch": (128, 128),
        "init_std": 1.0,
    },
}
FOR_PICTURES = ("picture_net", "standardize_pictures")
LAPTOP_STATES: dict[str, Any] = {
    **LAPTOP,
    "learning_rate": 6e-4,
    "policy_kwargs": {
        name: value for name, value in LAPTOP["policy_kwargs"].items() if name not in FOR_PICTURES
    },
}
PRESETS = {
    "paper": PAPER,
    "authors-code": AUTHORS_CODE,
    "strong": STRONG,
    "laptop": LAPTOP,
    "laptop-states": LAPTOP_STATES,
}


def preset(name: str) -> dict[str, Any]:
    """Return arguments of :class:`~sb3_vdb.VMAIL`: ``VMAIL("CnnPolicy", env, demos,
    **preset("laptop"))``.

    :param name: ``"paper"`` (its text), ``"authors-code"`` (what its code does otherwise),
        ``"strong"`` (what later work settled on), ``"laptop"`` (for two cores, pictures) or
        ``"laptop-states"`` (the same for vectors)
    :raises ValueError: there is no such preset
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    return deepcopy(PRESETS[name])
