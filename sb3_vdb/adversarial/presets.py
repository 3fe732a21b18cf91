"""Settings of the adversarial trainers by name: the papers' numbers."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from torch import nn

# VDB paper, section 5.1 and appendix C; its optimiser is SGD with momentum, here it is Adam
PAPER_MOTIONS: dict[str, Any] = {
    "information_limit": 0.5,
    "beta_step_size": 1e-5,
    "disc_learning_rate": 1e-5,
    "grad_penalty_coef": 1.0,
    "discriminator_kwargs": {"code_dim": 128, "trunk_kwargs": {"net_arch": (1024, 512)}},
}
# VDB paper, section 5.2 and appendix D; beta's first value is the authors' code's
PAPER_C_MAZE: dict[str, Any] = {
    "demo_batch_size": 32,
    "n_disc_updates_per_round": 100,
    "disc_learning_rate": 5e-5,
    "information_limit": 0.5,
    "beta": 0.005,
    "beta_step_size": 1e-5,
    "grad_penalty_coef": 0.1,
    "reward_scaling": "mean_std",
    "normalize_inputs": "bounds",
    "discriminator_kwargs": {"trunk_kwargs": {"net_arch": (32, 32)}},
}
# Motions with the view of differences to the clip (``Demonstrations.from_mocap``) on DeepMimicPPO
# of 128 environments; chosen on seeds that no table reports
FAST_MOTIONS: dict[str, Any] = {
    "information_limit": 0.5,
    "beta": 0.3,
    "beta_step_size": 1e-2,
    "disc_learning_rate": 1e-4,
    "grad_penalty_coef": 10.0,
    "grad_penalty_on": "both",
    "terminal_reward": 0.0,
    "discriminator_kwargs": {"code_dim": 64, "trunk_kwargs": {"net_arch": (256, 128)}},
}
# Kostrikov et al. 2019, their code: D of 2 x 256 tanh, Adam with 1e-3, WGAN-GP's penalty with 10 on
# interpolates, batches of 100, one update an environment step, reward log D - log(1 - D)
DAC: dict[str, Any] = {
    "demo_batch_size": 100,
    "gen_train_timesteps": 128,
    "n_disc_updates_per_round": 128,
    "disc_learning_rate": 1e-3,
    "grad_penalty_coef": 10.0,
    "grad_penalty_on": "interpolates",
    "grad_penalty_kind": "one_centered",
    "reward_type": "logit",
    "generator_samples": "replay",
    "discriminator_kwargs": {"trunk_kwargs": {"net_arch": (256, 256), "activation_fn": nn.Tanh}},
}
PAPER_S_MAZE = PAPER_C_MAZE | {"information_limit": 0.05, "grad_penalty_coef": 0.01}
PRESETS: Mapping[str, dict[str, Any]] = {
    "paper-motions": PAPER_MOTIONS,
    "fast-motions": FAST_MOTIONS,
    "paper-C-maze": PAPER_C_MAZE,
    "paper-S-maze": PAPER_S_MAZE,
    "dac": DAC,
}


def preset(name: str) -> dict[str, Any]:
    """Return arguments of :class:`~sb3_vdb.VAIL` and :class:`~sb3_vdb.VAIRL`:
    ``VAIL(demos, venv, generator, **preset("paper-motions"))``; ``"dac"`` are those of
    :class:`~sb3_vdb.DAC`.

    Those of the papers keep their slow multiplier, ``beta_step_size=1e-5``; the package's default
    is faster.

    :param name: ``"fast-motions"``, ``"paper-motions"``, ``"paper-C-maze"``, ``"paper-S-maze"`` or
        ``"dac"``
    :raises ValueError: there is no such preset
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    return deepcopy(PRESETS[name])
