"""Every trainer works with every algorithm of SB3 and sb3-contrib that it may have, on every kind
of observation.
"""

import copy

import gymnasium as gym
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_vdb import AIRL, DAC, GAIL, VAIL, VAIRL, Demonstrations, View
from sb3_vdb.demonstrations.leaks import RandomPolicy
from sb3_vdb.networks import ConvTrunk
from sb3_vdb.views import Join, Picture, Vector

VECTOR = spaces.Box(-1.0, 1.0, (3,), np.float32)
PICTURE = spaces.Box(0, 255, (36, 36, 1), np.uint8)
OBSERVATIONS = {
    "vector": VECTOR,
    "picture": PICTURE,
    "parts": spaces.Dict({"frame": PICTURE, "state": VECTOR}),
    "discrete": spaces.Discrete(4),
}
BOX, CHOICE = spaces.Box(-1.0, 1.0, (2,), np.float32), spaces.Discrete(3)
ON_POLICY = {"n_steps": 16}
OFF_POLICY = {"learning_starts": 8, "buffer_size": 64, "batch_size": 8, "train_freq": 1}
# by name: actions, arguments, whether its policy has a density
ALGORITHMS = {
    "PPO": (BOX, {**ON_POLICY, "batch_size": 16}, True),
    "A2C": (CHOICE, ON_POLICY, True),
    "TRPO": (BOX, {**ON_POLICY, "batch_size": 16}, True),
    "RecurrentPPO": (BOX, {**ON_POLICY, "batch_size": 16}, False),
    "MaskablePPO": (CHOICE, {**ON_POLICY, "batch_size": 16}, False),
    "SAC": (BOX, OFF_POLICY, True),
    "TD3": (BOX, OFF_POLICY, False),
    "DDPG": (BOX, OFF_POLICY, False),
    "TQC": (BOX, OFF_POLICY, True),
    "CrossQ": (BOX, OFF_POLICY, True),
    "DQN": (CHOICE, OFF_POLICY, False),
    "QRDQN": (CHOICE, OFF_POLICY, False),
}
PREFIX = {"vector": "Mlp", "discrete": "Mlp", "picture": "Cnn", "parts": "MultiInput"}


class Noise(gym.Env):
    """Random observations, episodes of ten steps."""

    def __init__(self, observation_space, action_space):
        self.observation_space = copy.deepcopy(observation_space)
        self.action_space = copy.deepcopy(action_space)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.t += 1
        return self.observation_space.sample(), 0.0, False, self.t == 10, {}

    def action_masks(self):
        return np.ones(3, dtype=bool)


def seen(kind):
    """What the discriminator sees of each kind; None for its default."""
    trunk = {"trunk_class": ConvTrunk, "trunk_kwargs": {"depth": 1, "features_dim": 4}}
    if kind == "picture":
        return trunk
    if kind == "parts":
        both = Join((Picture("frame"), Vector("state")))
        return {"view": View(both, sees=("observations", "actions")), **trunk}
    return {"trunk_kwargs": {"net_arch": (4,)}}


def learned(trainer, name, kind):
    actions, arguments, _ = ALGORITHMS[name]
    venv = DummyVecEnv([lambda: Noise(OBSERVATIONS[kind], actions)] * 2)
    venv.seed(0)
    demos = Demonstrations.from_rollouts(RandomPolicy(actions, 2, 0), venv, n_episodes=2)
    recurrent = "Lstm" if name == "RecurrentPPO" else ""
    if not (hasattr(stable_baselines3, name) or hasattr(sb3_contrib, name)):
        pytest.skip(f"this sb3-contrib has no {name}")
    package = stable_baselines3 if hasattr(stable_baselines3, name) else sb3_contrib
    networks = {"net_arch": [4]}
    if kind in ("picture", "parts"):
        size = "features_dim" if kind == "picture" else "cnn_output_dim"
        networks["features_extractor_kwargs"] = {size: 4}
    model = getattr(package, name)(
        f"{PREFIX[kind]}{recurrent}Policy",
        venv,
        policy_kwargs=networks,
        seed=0,
        device="cpu",
        **arguments,
    )
    numbers = (
        {} if arguments is ON_POLICY or "n_steps" in arguments else {"gen_train_timesteps": 16}
    )
    made = trainer(
        demos,
        venv,
        model,
        demo_batch_size=8,
        n_disc_updates_per_round=1,
        trace_updates=False,
        seed=0,
        device="cpu",
        discriminator_kwargs=seen(kind),
        **numbers,
    )
    return made.learn(32), demos


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, id=f"{name}-{kind}")
        for name in ALGORITHMS
        for kind in OBSERVATIONS
        if name != "CrossQ" or kind in ("vector", "discrete")  # it has no policy for pictures
    ],
)
def test_vail_works_on_everything(name, kind):
    trainer, demos = learned(VAIL, name, kind)
    assert trainer.n_rounds >= 1
    rewards = trainer.reward(demos.transitions())
    assert rewards.shape == (demos.n_steps,)
    assert np.isfinite(rewards).all()


@pytest.mark.parametrize("kind", OBSERVATIONS)
@pytest.mark.parametrize("trainer", [GAIL, AIRL, VAIRL])
@pytest.mark.parametrize("name", ["PPO", "SAC"])
def test_every_trainer_works_on_every_observation(trainer, name, kind):
    made, _ = learned(trainer, name, kind)
    assert made.n_rounds >= 1


@pytest.mark.parametrize("kind", OBSERVATIONS)
@pytest.mark.parametrize("name", ["TD3", "DQN"])
def test_dac_works_on_every_observation(name, kind):
    made, _ = learned(DAC, name, kind)
    assert made.relabels


@pytest.mark.parametrize("name", [name for name, row in ALGORITHMS.items() if not row[2]])
def test_without_a_density_airl_is_refused(name):
    with pytest.raises(ValueError, match=name):
        learned(AIRL, name, "vector")
