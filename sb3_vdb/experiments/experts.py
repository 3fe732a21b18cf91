"""Experts of the dm_control tasks: SAC on states, recorded for the pixel environments."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from rich.console import Console
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.demonstrations import recording
from sb3_vdb.evaluation import evaluate_returns
from sb3_vdb.experiments.checkpoints import save_model
from sb3_vdb.experiments.run_folder import sole_user
from sb3_vdb.experiments.runner import EngineName, Job, Report, run_jobs
from sb3_vdb.experiments.style import STYLE
from sb3_vdb.experiments.versions import versions
from sb3_vdb.experiments.vmail.settings import FRAMES_A_DECISION
from sb3_vdb.files import write_text
from sb3_vdb.vec_env import make_vec_env

mpl.use("Agg")
import matplotlib.pyplot as plt

EPISODES = 10
EVALUATION_SEED, CONFIRMATION_SEED, RESULT_SEED = 30_000, 32_500, 35_000
LEAST_SHARE = 0.9  # of the expert's mean return, for an episode to be a demonstration
RECORDING_SEED = 40_000  # not those that chose the model
# return aimed at, and environment frames to spend
AIMS: dict[str, tuple[float, int]] = {
    "CartpoleSwingup": (850, 200_000),
    "ReacherEasy": (950, 300_000),
    "WalkerStand": (960, 400_000),
    "WalkerWalk": (950, 600_000),
    "CheetahRun": (800, 1_000_000),
    "WalkerRun": (600, 1_500_000),
}


class ExpertSettings(NamedTuple):
    """How an expert is trained."""

    learning_rate: float = 5e-4
    batch_size: int = 256
    buffer_size: int = 300_000
    n_envs: int = 8
    updates: int = 4  # of every vectorised step: half an update a decision, see the docs
    first_steps: int = 5_000  # random decisions before learning
    width: int = 256
    evaluate_every: int = 20_000  # frames
    # frames, as in the pixel environments that demonstrations are for
    action_repeat: int = FRAMES_A_DECISION


DEFAULT = ExpertSettings()


def train_experts(
    folder: Path,
    tasks: list[str],
    seed: int,
    workers: int,
    demos: Path | None,
    docs: Path | None = None,
    engine: EngineName = "local",
    address: str | None = None,
    settings: ExpertSettings = DEFAULT,
    stochastic: bool = False,
) -> pd.DataFrame:
    """Train what is missing, print the table, and record demonstrations.

    :param folder: one run folder a task goes here
    :param tasks: names in the ids, keys of :data:`AIMS` or others with the budget of WalkerWalk
    :param seed: random seed
    :param workers: jobs at a time, one thread each
    :param demos: where recordings go; None for nowhere
    :param docs: where table and curves go as well; None for nowhere
    :param engine: ``"local"`` or ``"ray"``
    :param address: of a Ray cluster
    :param settings: of every expert
    :param stochastic: record SAC's policy with its noise, which it was trained with, so that
        demonstrations show how small mistakes are made good
    :return: one row a task
    :raises ValueError: a folder holds an expert of another action repeat, or ``stochastic`` without
        ``demos``
    """
    if stochastic and demos is None:
        raise ValueError("`stochastic` is about demonstrations; say where they go with --demos")
    tasks, jobs = list(dict.fromkeys(tasks)), []
    for task in tasks:
        _refuse_another_repeat(folder / f"{task}_{seed}", settings.action_repeat)
        frames = AIMS.get(task, AIMS["WalkerWalk"])[1]
        work = partial(train_expert, folder / f"{task}_{seed}", task, seed, settings)
        jobs.append(Job(f"{task}_{seed}", frames, work))
    with sole_user(folder):
        run_jobs(jobs, workers, engine, address)
    rows = [_row(folder / f"{task}_{seed}", task, demos, stochastic) for task in tasks]
    table = pd.DataFrame(rows)
    Console(width=160).print(table.to_string(index=False))
    for target in filter(None, (folder, docs)):
        write_text(target / "experts.csv", table.to_csv(index=False))
    if docs is not None:
        kept = json.loads((folder / f"{tasks[0]}_{seed}" / "config.json").read_text())
        write_text(docs / "versions.json", json.dumps(kept["versions"], indent=1))
        _draw_curves(folder, tasks, seed, docs / "curves.png")
    return table


def _row(folder: Path, task: str, demos: Path | None, stochastic: bool) -> dict[str, Any]:
    """What an expert reached, and its demonstrations where they are asked for."""
    result = json.loads((folder / "result.json").read_text())
    row = {"task": task, "aim": AIMS.get(task, (np.nan,))[0], **result}
    if demos is not None:
        path = demos / f"{recording_name(task, _action_repeat(folder), stochastic)}.npz"
        returns = recording.load(record_expert(folder, task, path, stochastic=stochastic)).returns
        row |= {"demonstrations": round(returns.mean(), 1), "kB": path.stat().st_size >> 10}
    return row


def recording_name(task: str, action_repeat: int, stochastic: bool = False) -> str:
    """Name of the demonstrations of an expert whose actions last so many frames and have noise."""
    frames = "" if action_repeat == FRAMES_A_DECISION else f"-{action_repeat}frames"
    return f"{task}{frames}{'-stochastic' if stochastic else ''}"


def _action_repeat(folder: Path) -> int:
    """Of the expert in a run folder."""
    trained_with = json.loads((folder / "config.json").read_text()).get("settings", {})
    # all had the paper's before there was a choice
    return int(trained_with.get("action_repeat", FRAMES_A_DECISION))


def _refuse_another_repeat(folder: Path, action_repeat: int) -> None:
    if (folder / "config.json").exists() and _action_repeat(folder) != action_repeat:
        raise ValueError(
            f"{folder} holds an expert whose actions last {_action_repeat(folder)} frames, not "
            f"{action_repeat}; choose another folder with --out or remove it"
        )


def _draw_curves(folder: Path, tasks: list[str], seed: int, path: Path) -> None:
    """Returns of the evaluations while training."""
    with plt.rc_context(STYLE):
        figure, panel = plt.subplots(figsize=(6.0, 3.2))
        for task in tasks:
            rows = pd.read_csv(folder / f"{task}_{seed}" / "evaluations.csv")
            panel.plot(rows["frames"] / 1000, rows["mean"], label=task)
        panel.set_xlabel("thousand environment frames")
        panel.set_ylabel("return, mean of 10 episodes")
        panel.legend(frameon=False, fontsize=7)
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
        plt.close(figure)


def train_expert(
    folder: Path, task: str, seed: int, settings: ExpertSettings, report: Report
) -> None:
    """Train one expert, or go on with it; ends early at its aim.

    The folder gets ``config.json``, ``evaluations.csv``, ``best.zip``, ``result.json``, and while
    it is trained the latest ``checkpoint.zip`` and ``replay.pkl``.
    """
    if (folder / "result.json").exists():
        return
    aim, frames = AIMS.get(task, (np.inf, AIMS["WalkerWalk"][1]))
    config = {"task": task, "seed": seed, "settings": settings._asdict(), "versions": versions()}
    write_text(folder / "config.json", json.dumps(config, indent=1))
    venv = _make(task, settings, settings.n_envs, seed)
    model = _model(folder, venv, seed, settings)
    callback = KeepBest(folder, task, aim, settings, report)
    total = frames // settings.action_repeat - model.num_timesteps
    if total > 0:
        model.learn(total, callback=callback, reset_num_timesteps=model.num_timesteps == 0)
    callback.finish()
    venv.close()


def _make(task: str, settings: ExpertSettings, n: int, seed: int) -> VecEnv:
    kwargs = {"action_repeat": settings.action_repeat, "threads": 1}
    return make_vec_env(f"sb3_vdb/{task}State-v0", n, seed=seed, env_kwargs=kwargs)


def _model(folder: Path, venv: VecEnv, seed: int, settings: ExpertSettings) -> SAC:
    checkpoint = folder / "checkpoint.zip"
    if checkpoint.exists():
        model = SAC.load(checkpoint, env=venv, device="cpu")
        model.load_replay_buffer(folder / "replay.pkl")
        return model
    return SAC(
        "MlpPolicy",
        venv,
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        buffer_size=settings.buffer_size,
        learning_starts=settings.first_steps,
        gradient_steps=settings.updates,
        policy_kwargs={
            "net_arch": [settings.width, settings.width],
            "optimizer_kwargs": {"fused": True},
        },
        seed=seed,
        device="cpu",
    )


class KeepBest(BaseCallback):
    """Evaluates, keeps the best model and a checkpoint, and stops at the aim once other seeds
    confirm it.

    :param folder: of the run
    :param task: name in the id
    :param aim: mean return at which training stops
    :param settings: of the run
    :param report: called with the frames done
    """

    def __init__(
        self, folder: Path, task: str, aim: float, settings: ExpertSettings, report: Report
    ) -> None:
        super().__init__()
        self.folder, self.aim, self.settings, self.report = folder, aim, settings, report
        self._venv = _make(task, settings, EPISODES, EVALUATION_SEED)
        self._path = folder / "evaluations.csv"
        self._rows: list[Any] = (
            pd.read_csv(self._path).to_dict("records") if self._path.exists() else []
        )
        self._seconds = float(self._rows[-1]["seconds"]) if self._rows else 0.0
        self._since, self._confirmed = time.monotonic(), False
        self._next = (
            self._rows[-1]["frames"] + settings.evaluate_every
            if self._rows
            else settings.evaluate_every
        )

    def _on_step(self) -> bool:
        frames = self.num_timesteps * self.settings.action_repeat
        if frames < self._next:
            return True
        self._next = frames + self.settings.evaluate_every
        self._seconds += time.monotonic() - self._since
        self._venv.seed(EVALUATION_SEED)
        result = evaluate_returns(self.model, self._venv, EPISODES)
        best = max((row["mean"] for row in self._rows), default=-np.inf)
        row = {"frames": frames, "seconds": round(self._seconds, 1), "mean": result.mean}
        self._rows.append({**row, "std": result.std})
        if result.mean > best:  # before the table, so that its best row always has its model
            save_model(self.model, self.folder / "best.zip")
        write_text(self._path, pd.DataFrame(self._rows).round(2).to_csv(index=False))
        assert isinstance(self.model, SAC)
        self.model.save_replay_buffer(self.folder / "replay.tmp.pkl")
        (self.folder / "replay.tmp.pkl").replace(self.folder / "replay.pkl")
        save_model(self.model, self.folder / "checkpoint.zip")
        self.report(frames, f"return {result.mean:.0f}")
        if result.mean >= self.aim and not self._was_luck():
            self._confirmed = True  # and not an earlier one that had more luck
            save_model(self.model, self.folder / "best.zip")
        self._since = time.monotonic()
        return not self._confirmed

    def _was_luck(self) -> bool:
        """Whether other seeds do not confirm an evaluation that reached the aim."""
        self._venv.seed(CONFIRMATION_SEED)
        return evaluate_returns(self.model, self._venv, 2 * EPISODES).mean < self.aim

    def finish(self) -> None:
        """Write what the best model reaches, on seeds that did not choose it."""
        best = self._rows[-1] if self._confirmed else max(self._rows, key=lambda row: row["mean"])
        self._venv.seed(RESULT_SEED)
        model = SAC.load(self.folder / "best.zip", device="cpu")
        reached = evaluate_returns(model, self._venv, EPISODES)
        result = {
            "return": round(reached.mean, 1),
            "std": round(reached.std, 1),
            "frames": int(best["frames"]),
            "minutes": round(self._rows[-1]["seconds"] / 60, 1),
        }
        write_text(self.folder / "result.json", json.dumps(result))
        for name in ("checkpoint.zip", "replay.pkl"):
            (self.folder / name).unlink(missing_ok=True)
        self._venv.close()


def record_expert(
    folder: Path, task: str, path: Path, episodes: int = EPISODES, stochastic: bool = False
) -> Path:
    """Record the best model of a run for the task's pixel environment. Episodes far below the
    expert's mean are no demonstrations and left out.

    :param folder: of the run
    :param task: name in the id
    :param path: of the recording
    :param episodes: how many
    :param stochastic: whether the policy acts with its noise
    :return: the path
    """
    import gymnasium as gym

    action_repeat = _action_repeat(folder)
    env = gym.make(f"sb3_vdb/{task}State-v0", action_repeat=action_repeat)
    model = SAC.load(folder / "best.zip", device="cpu")
    model.set_random_seed(RECORDING_SEED)  # of its noise
    reached = json.loads((folder / "result.json").read_text())["return"]
    made = recording.record(
        model,
        f"sb3_vdb/{task}Pixels-v0",
        episodes,
        seed=RECORDING_SEED,
        env_kwargs={"action_repeat": action_repeat},
        acting_env=env,
        deterministic=not stochastic,
        least_return=LEAST_SHARE * reached,
    )
    return recording.save(made, path)
