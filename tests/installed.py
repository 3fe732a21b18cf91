"""A script: what an installation without extras can do, and how it refuses the rest. It is run by a
Python that has no simulator, in an empty folder.
"""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import gymnasium as gym
from gymnasium.error import DependencyNotInstalled
from stable_baselines3 import PPO

import sb3_vdb
from sb3_vdb.demonstrations import recording
from sb3_vdb.evaluation.videos import check_video_path
from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.framework.jobs import make_backend
from sb3_vdb.pretrained import available, load_pretrained
from sb3_vdb_envs import ENVIRONMENTS, environment

MAZE = "sb3_vdb/CMaze-v0"
EXTRAS = {"humanoid", "bullet", "pixels", "box2d", "hands"}


@contextmanager
def refused(error: type[Exception], extra: str):
    """Expect an error that names how to install what is missing."""
    text = ""
    try:
        yield
    except error as refusal:
        text = str(refusal)
    assert f'pip install "sb3-vdb[{extra}]"' in text, text or f"sb3-vdb[{extra}] is installed"


def check_training() -> None:
    demos = sb3_vdb.Demonstrations.from_recording("CMaze", progress_bar=False)
    assert len(demos) == 10
    venv = sb3_vdb.make_vec_env(MAZE, 2, seed=0)
    generator = PPO("MlpPolicy", venv, n_steps=50, batch_size=50, n_epochs=1, device="cpu")
    demos = sb3_vdb.Demonstrations.from_rollouts(generator, venv, 2)
    trainer = sb3_vdb.GAIL(demos, venv, generator, demo_batch_size=32)
    trainer.learn(100)
    trainer.save("gail.zip")
    assert sb3_vdb.GAIL.load("gail.zip", venv).num_timesteps == 100


def check_simulators() -> None:
    simulated = [row for row in ENVIRONMENTS if row.extra]
    assert {row.extra for row in simulated} == EXTRAS
    for row in simulated:
        with refused(DependencyNotInstalled, row.extra):
            gym.make(row.id)
    for row in ENVIRONMENTS:
        if not row.extra:
            env = gym.make(row.id, render_mode="rgb_array")
            env.reset(seed=0)
            assert env.render().ndim == 3
            env.close()


def check_shipped_files() -> None:
    assert len(recording.shipped()) == 9
    for name in recording.shipped():
        made = recording.load(name)
        assert len(made.episodes) == 10
        if not made.env_id.startswith("sb3_vdb/CMaze"):
            with refused(DependencyNotInstalled, environment(made.env_id).extra):
                sb3_vdb.Demonstrations.from_recording(name, progress_bar=False)
    assert len(available()) == 5
    for name in available():
        with refused(DependencyNotInstalled, "humanoid"):
            load_pretrained(f"sb3_vdb/{name}-v0")


def check_other_extras() -> None:
    with refused(ImportError, "ray"):
        make_backend(Workers(1, "ray"))
    with refused(ImportError, "humanoid"):
        check_video_path(Path("video.mp4"))


if __name__ == "__main__":
    site = Path(sys.argv[1])
    assert Path(sb3_vdb.__file__).is_relative_to(site), sb3_vdb.__file__
    assert not os.listdir()
    os.environ["SB3_VDB_CACHE"] = str(Path.cwd() / "cache")
    for check in (check_training, check_simulators, check_shipped_files, check_other_extras):
        check()
