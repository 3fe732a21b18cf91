"""What a policy of the humanoid bears: pushes, other masses, other friction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from sb3_vdb.acting import Predictor, steps
from sb3_vdb.evaluation.imitation import ImitationResult, evaluate_imitation
from sb3_vdb.vec_env import make_vec_env

SETTLE = 60  # control steps before the push, 2 s
PUSH = 6  # control steps of the push, 0.2 s
RECOVER = 90  # control steps after it, 3 s
FORCES = (50.0, 100.0, 150.0, 200.0, 300.0, 400.0)  # N, on the chest of a character of 45 kg
# what is off by 10 and 20 %
PLANTS: Mapping[str, Mapping[str, float]] = {
    "as trained": {},
    "mass -20 %": {"mass_scale": 0.8},
    "mass -10 %": {"mass_scale": 0.9},
    "mass +10 %": {"mass_scale": 1.1},
    "mass +20 %": {"mass_scale": 1.2},
    "friction -20 %": {"friction_scale": 0.8},
    "friction -10 %": {"friction_scale": 0.9},
    "friction +10 %": {"friction_scale": 1.1},
    "friction +20 %": {"friction_scale": 1.2},
}


class PushResult(NamedTuple):
    """What a force did."""

    force: float  # N
    survived: float  # share of the pushed that did not fall within 3 s
    episodes: int  # that were pushed


def evaluate_pushes(
    policy: Predictor,
    env_id: str,
    forces: Sequence[float] = FORCES,
    n: int = 32,
    seed: int = 0,
    env_kwargs: Mapping[str, Any] | None = None,
) -> list[PushResult]:
    """Push characters once, for 0.2 s on the chest, each in a horizontal direction of its own.

    :param policy: whatever has SB3's ``predict``
    :param env_id: of a humanoid in MuJoCo
    :param forces: N
    :param n: characters, which start anywhere in the clip
    :param seed: of starts and directions, the same for every force
    :param env_kwargs: arguments of the environment
    """
    return [_pushed(policy, env_id, force, n, seed, dict(env_kwargs or {})) for force in forces]


def _pushed(
    policy: Predictor, env_id: str, force: float, n: int, seed: int, env_kwargs: dict[str, Any]
) -> PushResult:
    angles = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, n)
    pushes = force * np.stack([np.cos(angles), np.sin(angles), np.zeros(n)], axis=1)
    with closing(make_vec_env(env_id, n, seed=seed, env_kwargs=env_kwargs, monitor=False)) as venv:
        alive = np.ones(n, dtype=bool)
        pushed = alive
        with closing(steps(policy, venv, True)) as played:
            for t in range(SETTLE + PUSH + RECOVER):
                if SETTLE <= t < SETTLE + PUSH:
                    venv.env_method("push", pushes, indices=[0])
                if t == SETTLE:
                    pushed = alive.copy()
                alive &= ~next(played).dones
    count = int(pushed.sum())
    survived = float(alive.sum() / count) if count else float("nan")
    return PushResult(force, survived, count)


def evaluate_plants(
    policy: Predictor,
    env_id: str,
    plants: Mapping[str, Mapping[str, float]] = PLANTS,
    n: int = 32,
    seed: int = 0,
    env_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, ImitationResult]:
    """Evaluate the imitation with masses and friction that are off.

    :param policy: whatever has SB3's ``predict``
    :param env_id: of a humanoid in MuJoCo
    :param plants: arguments of the environment, by name
    :param n: characters
    :param seed: of their starts
    :param env_kwargs: other arguments of the environment
    """
    results = {}
    for name, plant in plants.items():
        kwargs = {**(env_kwargs or {}), **plant}
        with closing(
            make_vec_env(env_id, n, seed, env_kwargs=kwargs, monitor=False, every_step_infos=True)
        ) as venv:
            results[name] = evaluate_imitation(policy, venv)
    return results
