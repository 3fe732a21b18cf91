"""RL Zoo trains the methods of this package, and plays what they learned."""

import sys

import numpy as np
import pytest
import yaml

from sb3_vdb import Demonstrations, RecoveredReward, make_vec_env
from sb3_vdb.integrations import rl_zoo
from sb3_vdb.methods import METHODS
from sb3_vdb_envs.maze import WaypointController
from tests.conftest import MAZE

rl_zoo3 = pytest.importorskip("rl_zoo3")
SIZES = {
    "ppo": {"n_steps": 32, "batch_size": 64, "n_envs": 2},
    "sac": {"learning_starts": 20, "batch_size": 8, "n_envs": 1},
}


@pytest.fixture
def demos(tmp_path):
    venv = make_vec_env(MAZE, 2, seed=1)
    recorded = Demonstrations.from_rollouts(WaypointController("c_maze"), venv, n_episodes=2)
    return str(recorded.save(tmp_path / "maze.npz"))


def run_zoo(folder, name, settings, monkeypatch, *others):
    file = folder / "settings.yml"
    file.write_text(yaml.safe_dump({MAZE: {"policy": "MlpPolicy", "n_timesteps": 128, **settings}}))
    words = ["train", "--algo", name, "--env", MAZE, "--conf-file", str(file), "-f", str(folder)]
    words += ["--eval-freq", "64", "--eval-episodes", "1", "--seed", "0", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["rl_zoo", *words, *others])
    rl_zoo.main()
    return next((folder / name).glob("*/"))


@pytest.mark.parametrize(
    ("name", "sizes", "more"),
    [
        ("vail", "ppo", {"normalize": True, "method_kwargs": {"demo_batch_size": 32}}),
        ("vairl_sac", "sac", {"method_kwargs": {"demo_batch_size": 32}}),
        ("sqil", "sac", {}),
    ],
)
def test_the_zoo_trains_and_plays(name, sizes, more, demos, tmp_path, monkeypatch):
    settings = {**SIZES[sizes], **more, "demonstrations": demos}
    folder = run_zoo(tmp_path, name, settings, monkeypatch)
    stem = folder / MAZE.replace("/", "-")
    assert (folder / "best_model.zip").exists()
    assert (folder / "evaluations.npz").exists()
    if name != "sqil":
        reward = RecoveredReward.load(f"{stem}_reward.pt")
        assert np.isfinite(reward(Demonstrations.load(demos).transitions())).all()
    words = ["enjoy", "--algo", name, "--env", MAZE, "-f", str(tmp_path), "-n", "10"]
    monkeypatch.setattr(sys, "argv", ["rl_zoo", *words, "--no-render", "--device", "cpu"])
    rl_zoo.main()


def test_every_method_with_a_generator_has_a_name(demos):
    made = rl_zoo.algorithms()
    assert set(METHODS) - {"bc"} <= set(made)
    assert "dac_ppo" not in made
    assert "vail_td3" in made
    with pytest.raises(ValueError, match=r"`demonstrations` must name a file; write `demonstr"):
        made["vail"]("MlpPolicy", make_vec_env(MAZE, 1)).learn(1)
