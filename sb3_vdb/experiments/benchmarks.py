"""Speed as ratios within one run: mazes against MuJoCo, humanoids against Bullet, pixels against
dm_control, trainers against plain PPO and against ``imitation``, inverse RL against its parts.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pandas as pd
import torch as th
from rich.console import Console
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env

from sb3_vdb.adversarial import GAIL, VAIL
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.humanoid_speed import bench_humanoid, bench_humanoid_split
from sb3_vdb.experiments.pixel_speed import bench_pixels
from sb3_vdb.experiments.timing import Job, compare, timed
from sb3_vdb.experiments.transfer_speed import bench_transfer, bench_transfer_split
from sb3_vdb.experiments.vmail_speed import bench_vmail
from sb3_vdb.files import write_text
from sb3_vdb.vec_env import GYMNASIUM_1
from sb3_vdb_envs.maze.layout import LAYOUTS
from sb3_vdb_envs.maze.mujoco_maze import MujocoMaze

ENV_ID, N_ENVS = "Pendulum-v1", 8
TOTAL_STEPS = 4 * N_ENVS * 256


def run_benchmarks(only: str | None, docs: Path | None) -> pd.DataFrame:
    """Measure, print and optionally write ``speed_<benchmark>.csv``.

    :param only: one benchmark by its name; None for all that the installed packages allow
    :param docs: folder for the csv files
    """
    th.set_num_threads(1)
    functions = {
        "mazes": bench_mazes,
        "humanoid": bench_humanoid,
        "humanoid-split": bench_humanoid_split,
        "pixels": bench_pixels,
        "trainers": bench_trainers,
        "transfer": bench_transfer,
        "transfer-split": bench_transfer_split,
        "vmail": bench_vmail,
        "imitation": bench_imitation,
    }
    has_imitation = importlib.util.find_spec("imitation") is not None
    every = [name for name in functions if has_imitation or name != "imitation"]
    chosen = [only] if only else every
    if "imitation" in chosen and not has_imitation:
        raise SystemExit(
            'the benchmark "imitation" needs the package: pip install "sb3-vdb[imitation]"'
        )
    tables = []
    for name in chosen:
        table = functions[name]()
        Console(width=160).print(table.to_string(index=False))
        if docs is not None:
            write_text(docs / f"speed_{name}.csv", table.to_csv(index=False))
        tables.append(table)
    return pd.concat(tables)


def bench_mazes() -> pd.DataFrame:
    """Steps a second of the batched mazes against the same maze in MuJoCo, stepped one by one; one
    core.
    """
    tables = []
    for name in ("CMaze", "SMaze"):
        steps: dict[str, int] = {}
        jobs: dict[str, Job] = {}
        for n in (1, 100, 1000):
            key = f"{name}, batch of {n}"
            steps[key] = n * 200
            jobs[key] = _maze_job(f"sb3_vdb/{name}-v0", n)
        key = f"{name}, MuJoCo"
        steps[key] = 2000
        jobs[key] = _mujoco_job("c_maze" if name == "CMaze" else "s_maze", 2000)
        table = compare(jobs)
        table["steps_per_s"] = [
            round(steps[what] / seconds)
            for what, seconds in zip(table["what"], table["seconds"], strict=True)
        ]
        per_step = table["steps_per_s"] / table["steps_per_s"].iloc[-1]
        table["times_faster"] = per_step.round(1)
        tables.append(table[["what", "steps_per_s", "times_faster", "against"]])
    return pd.concat(tables)


def _maze_job(env_id: str, n: int) -> Job:
    mode = "vector_entry_point" if GYMNASIUM_1 else "custom"
    env = gym.make_vec(env_id, num_envs=n, vectorization_mode=mode)
    env.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (200, n, 2)).astype(np.float32) + np.array(
        [0.0, 0.4], np.float32
    )
    return lambda: timed(lambda: [env.step(each) for each in actions])


def _mujoco_job(layout: str, n_steps: int) -> Job:
    maze = MujocoMaze(LAYOUTS[layout])
    forces = np.random.default_rng(0).uniform(-1, 1, (n_steps, 2)) + np.array([0.0, 0.4])

    def run() -> None:
        for i, force in enumerate(forces):
            if i % 100 == 0:
                maze.place(LAYOUTS[layout].start)
            maze.step(force)

    return lambda: timed(run)


class Generator(NamedTuple):
    """A PPO generator and the discriminator's work after each of its rollouts, for the comparisons.

    :param name: for the table
    :param n_steps: steps of a rollout in each of :data:`N_ENVS` environments
    :param batch_size: PPO's minibatch
    :param n_epochs: PPO's epochs
    :param n_disc_updates: discriminator updates a round
    :param demo_batch_size: expert samples in an update
    """

    name: str
    n_steps: int
    batch_size: int
    n_epochs: int
    n_disc_updates: int
    demo_batch_size: int

    def ppo(self) -> PPO:
        """A fresh PPO with fresh environments."""
        venv = make_sb3_vec_env(ENV_ID, N_ENVS, seed=0)
        return PPO(
            "MlpPolicy",
            venv,
            n_steps=self.n_steps,
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            seed=0,
            device="cpu",
        )

    def trainer(self, algorithm: type[GAIL], demonstrations: Demonstrations, **kwargs: Any) -> GAIL:
        """A fresh trainer of ours."""
        model = self.ppo()
        assert model.env is not None
        return algorithm(
            demonstrations,
            model.env,
            model,
            demo_batch_size=self.demo_batch_size,
            n_disc_updates_per_round=self.n_disc_updates,
            device="cpu",
            **kwargs,
        )


# one discriminator epoch: as many updates as show it every generator sample once
ONE_EPOCH = Generator("SB3's PPO defaults", 256, 64, 10, 8, 256)
COMPARED = (
    Generator("SB3's PPO defaults, 4 updates of 1024", 256, 64, 10, 4, 1024),
    Generator("PPO of imitation's example, 8 updates of 1024", 256, 64, 5, 8, 1024),
    Generator("PPO with 4 epochs of 256, 8 updates of 1024", 256, 256, 4, 8, 1024),
)


def _demonstrations() -> Demonstrations:
    """Episodes of an untrained policy: enough to measure speed."""
    model = ONE_EPOCH.ppo()
    assert model.env is not None
    return Demonstrations.from_rollouts(model, model.env, 2 * N_ENVS)


def bench_trainers() -> pd.DataFrame:
    """Training time of GAIL and VAIL on PPO against plain PPO for the same steps, with one
    discriminator epoch a rollout.
    """
    demonstrations = _demonstrations()

    def adversarial(algorithm: type[GAIL], **kwargs: Any) -> Job:
        def run() -> float:
            trainer = ONE_EPOCH.trainer(algorithm, demonstrations, **kwargs)
            return timed(lambda: trainer.learn(TOTAL_STEPS))

        return run

    def plain() -> float:
        model = ONE_EPOCH.ppo()
        return timed(lambda: model.learn(TOTAL_STEPS))

    return compare(
        {
            "VAIL-GP on PPO": adversarial(VAIL, grad_penalty_coef=1.0),
            "VAIL on PPO": adversarial(VAIL),
            "VAIL on PPO, paid step by step": adversarial(VAIL, relabel_rollouts=False),
            "GAIL on PPO": adversarial(GAIL),
            "PPO": plain,
        }
    )


def bench_imitation() -> pd.DataFrame:
    """GAIL of ``imitation`` against ours: equal networks, batches, update counts, generators."""
    return pd.concat([_bench_imitation(generator) for generator in COMPARED])


def _bench_imitation(generator: Generator) -> pd.DataFrame:
    demonstrations = _demonstrations()

    def ours() -> float:
        trainer = generator.trainer(GAIL, demonstrations)
        return timed(lambda: trainer.learn(TOTAL_STEPS))

    def plain() -> float:
        model = generator.ppo()
        return timed(lambda: model.learn(TOTAL_STEPS))

    imitation = _imitation_job(generator, demonstrations)
    jobs = {"imitation 1.0.1 GAIL": imitation, "PPO": plain, "sb3_vdb GAIL": ours}
    with contextlib.redirect_stderr(io.StringIO()):  # imitation draws a progress bar
        table = compare(jobs)
    table.insert(0, "generator", generator.name)
    return table


def _imitation_job(generator: Generator, demonstrations: Demonstrations) -> Job:
    """Training of ``imitation``'s GAIL with the discriminator that ours has by default."""
    from imitation.algorithms.adversarial.gail import GAIL as ImitationGAIL
    from imitation.data.types import TrajectoryWithRew
    from imitation.rewards.reward_nets import BasicRewardNet
    from imitation.util import logger as imitation_logger
    from imitation.util.networks import RunningNorm

    theirs = [
        TrajectoryWithRew(
            obs=each.observations,
            acts=np.asarray(each.actions),
            infos=None,
            terminal=False,
            rews=np.asarray(each.rewards, dtype=float),
        )
        for each in demonstrations
    ]

    def run() -> float:
        model = generator.ppo()
        net = BasicRewardNet(
            model.observation_space,
            model.action_space,
            normalize_input_layer=RunningNorm,
            hid_sizes=(64, 64),
        )
        with tempfile.TemporaryDirectory() as folder:
            trainer = ImitationGAIL(
                demonstrations=theirs,
                demo_batch_size=generator.demo_batch_size,
                venv=model.env,
                gen_algo=model,
                reward_net=net,
                n_disc_updates_per_round=generator.n_disc_updates,
                custom_logger=imitation_logger.configure(folder, format_strs=[]),
            )
            return timed(lambda: trainer.train(TOTAL_STEPS))

    return run
