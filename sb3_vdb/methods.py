"""Every method by its name in the papers: the class that learns, and its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from sb3_vdb.adversarial import AIRL, DAC, GAIL, VAIL, VAIRL
from sb3_vdb.baselines import BehaviouralCloning, SQILReplayBuffer

NO_SIZE = "the paper and its released code give no size"


class Method(NamedTuple):
    """A method.

    :param kind: what learns: a trainer, the replay buffer that makes an algorithm imitate, or
        cloning
    :param arguments: of it, beside its defaults
    :param algorithm: that generates, unless another one is chosen; None where nothing does
    :param source: of the numbers
    :param shifts_pictures: whether pictures are shifted at random while it learns, as in DA-DAC
    """

    kind: type[Any]
    arguments: Mapping[str, Any]
    algorithm: str | None
    source: str
    shifts_pictures: bool = False


#: by the names of the papers' tables
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "gail": Method(GAIL, {}, "PPO", "Ho & Ermon 2016"),
        "gail-noise": Method(
            GAIL,
            {"input_noise_std": 0.3},
            "PPO",
            f"VDB paper, 5.1; {NO_SIZE}: ours, of normalised inputs",
        ),
        "gail-noise-z": Method(
            GAIL,
            {"hidden_noise_std": 1.0},
            "PPO",
            f"VDB paper, 5.1; {NO_SIZE} for motions: 1, as in its image GAN",
        ),
        "gail-gp": Method(GAIL, {"grad_penalty_coef": 1.0}, "PPO", "VDB paper, appendix C"),
        "vail": Method(VAIL, {"information_limit": 0.5}, "PPO", "VDB paper, 5.1"),
        "vail-gp": Method(
            VAIL,
            {"information_limit": 0.5, "grad_penalty_coef": 1.0},
            "PPO",
            "VDB paper, 5.1 and appendix C",
        ),
        "airl": Method(AIRL, {}, "PPO", "Fu et al. 2018"),
        "airl-gp": Method(AIRL, {"grad_penalty_coef": 0.1}, "PPO", "VDB paper, appendix D"),
        "vairl-b0": Method(
            VAIRL, {"beta": 0.0, "beta_step_size": 0.0}, "PPO", "VDB paper, 5.2: beta = 0"
        ),
        "vairl": Method(VAIRL, {"information_limit": 0.5}, "PPO", "VDB paper, 5.2"),
        "vairl-gp": Method(
            VAIRL,
            {"information_limit": 0.5, "grad_penalty_coef": 0.1},
            "PPO",
            "VDB paper, 5.2 and appendix D",
        ),
        "dac": Method(DAC, {}, "SAC", "Kostrikov et al. 2019, their code", shifts_pictures=True),
        "sqil": Method(
            SQILReplayBuffer,
            {"expert_share": 0.5},
            "SAC",
            "Reddy et al. 2020, algorithm 1",
            shifts_pictures=True,
        ),
        "bc": Method(BehaviouralCloning, {}, None, "mean squared error"),
    }
)


def method(name: str) -> Method:
    """Return a method by its name.

    :param name: in ``METHODS``
    :raises ValueError: there is no such method
    """
    if name not in METHODS:
        raise ValueError(f"there is no method {name!r}; there are {', '.join(METHODS)}")
    return METHODS[name]
