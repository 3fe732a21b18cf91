"""Random shifts of pictures: what they are, and when they are."""

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import SAC

from sb3_vdb import DAC, Demonstrations, Trajectory, make_vec_env
from sb3_vdb.baselines import SQILReplayBuffer
from sb3_vdb.experiments.training.learners import make_learner
from sb3_vdb.extractors import ShiftedCNN, ShiftedCombinedExtractor
from sb3_vdb.methods import METHODS
from sb3_vdb.networks import ConvTrunk, PatchTrunk, RandomShift, randomly_shifted

SIDE = 36
PICTURE = spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)


class Screen(gym.Env):
    """A picture of noise, alone or with a number beside it."""

    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, parts=False):
        self.parts, self.t = parts, 0
        number = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space = spaces.Dict({"screen": PICTURE, "x": number}) if parts else PICTURE

    def _see(self):
        screen = self.np_random.integers(0, 256, PICTURE.shape, np.uint8)
        return {"screen": screen, "x": np.zeros(1, np.float32)} if self.parts else screen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self._see(), {}

    def step(self, action):
        self.t += 1
        return self._see(), 0.0, False, self.t >= 8, {}


def test_every_picture_is_moved_by_its_own_whole_number_of_pixels():
    th.manual_seed(0)
    pictures = th.arange(8 * 8).reshape(1, 1, 8, 8).repeat(300, 2, 1, 1).float()
    shifted = randomly_shifted(pictures, 2)
    inner = shifted[:, 0, 3:5, 3:5]  # away from the edges nothing is repeated
    moves = (inner - pictures[:, 0, 3:5, 3:5]).flatten(1)
    assert (moves == moves[:, :1]).all()  # all pixels alike
    drawn = {(int(m) + 2 * 8 + 2) for m in moves[:, 0]}
    assert drawn == {8 * rows + columns for rows in range(5) for columns in range(5)}
    assert (shifted[:, 0] == shifted[:, 1]).all()  # and all channels


def test_edges_are_repeated():
    th.manual_seed(1)
    columns = th.arange(6).float().expand(1, 1, 6, 6)
    for _ in range(20):
        row = randomly_shifted(columns, 3)[0, 0, 0]
        move = int(row[3]) - 3 if 0 < row[3] < 5 else None
        if move is not None:
            assert row.tolist() == [float(min(max(i + move, 0), 5)) for i in range(6)]


def test_gradients_reach_the_pixels_that_were_seen():
    pictures = th.zeros(2, 1, 8, 8, requires_grad=True)
    randomly_shifted(pictures, 2).sum().backward()
    assert pictures.grad.sum() == 2 * 64


@pytest.mark.parametrize("trunk_class", [ConvTrunk, PatchTrunk])
def test_trunks_shift_only_while_they_learn(trunk_class):
    th.manual_seed(0)
    trunk = trunk_class((3, 32, 32), depth=2, features_dim=16, shift=4)
    pictures = th.rand(4, 3, 32, 32)
    assert not th.equal(trunk(pictures), trunk(pictures))
    trunk.eval()
    assert th.equal(trunk(pictures), trunk(pictures))
    with pytest.raises(ValueError, match="`shift`"):
        trunk_class((3, 32, 32), shift=-1)
    with pytest.raises(ValueError, match="`shift`"):
        RandomShift(1.5)


@pytest.mark.parametrize("parts", [False, True])
def test_policies_shift_while_they_learn_and_not_while_they_act(parts):
    venv = make_vec_env(Screen, 1, seed=0, env_kwargs={"parts": parts})
    kind = ShiftedCombinedExtractor if parts else ShiftedCNN
    model = SAC(
        "MultiInputPolicy" if parts else "CnnPolicy",
        venv,
        buffer_size=64,
        learning_starts=4,
        batch_size=4,
        policy_kwargs={"features_extractor_class": kind, "net_arch": [8]},
        seed=0,
        device="cpu",
    ).learn(12)
    seen = venv.reset()
    first, _ = model.predict(seen, deterministic=True)
    second, _ = model.predict(seen, deterministic=True)
    np.testing.assert_array_equal(first, second)
    features = model.critic.features_extractor
    batch = model.replay_buffer.sample(4).observations
    batch = {k: v.float() for k, v in batch.items()} if parts else batch.float()
    assert not th.equal(features.train()(batch), features(batch))
    assert th.equal(features.eval()(batch), features(batch))


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("name", ["dac", "sqil"])
def test_dac_and_sqil_shift_pictures_by_name(name, parts):
    venv = make_vec_env(Screen, 1, seed=0, env_kwargs={"parts": parts})
    see = [venv.envs[0].unwrapped._see() for _ in range(9)] if venv.reset() is not None else []
    seen = {k: np.stack([each[k] for each in see]) for k in see[0]} if parts else np.stack(see)
    demos = Demonstrations([Trajectory(seen, np.zeros((8, 1), np.float32), None, False)])
    sizes = {"buffer_size": 64, "learning_starts": 4, "batch_size": 4}
    arguments = {"demo_batch_size": 8, "n_disc_updates_per_round": 2, "gen_train_timesteps": 8}
    learner = make_learner(
        METHODS[name], None, venv, demos, 0, {} if name == "sqil" else arguments, sizes
    )
    learner.learn(16)
    model = learner.gen_algo if isinstance(learner, DAC) else learner
    kind = ShiftedCombinedExtractor if parts else ShiftedCNN
    assert isinstance(model.critic.features_extractor, kind)
    if isinstance(learner, DAC):
        shifts = [m for m in learner.discriminator.modules() if isinstance(m, RandomShift)]
        assert [each.n_pixels for each in shifts] == [4]
    else:
        assert isinstance(model.replay_buffer, SQILReplayBuffer) != parts
