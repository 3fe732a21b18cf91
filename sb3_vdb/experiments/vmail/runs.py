"""One run: V-MAIL or behavioural cloning from some demonstrations of a task."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.baselines import BehaviouralCloning
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation import EvaluationResult, evaluate_returns
from sb3_vdb.experiments.checkpoints import save_model
from sb3_vdb.experiments.runner import Report
from sb3_vdb.experiments.versions import versions
from sb3_vdb.experiments.vmail.settings import (
    METHODS,
    TaskSettings,
    vmail_arguments,
)
from sb3_vdb.files import write_text
from sb3_vdb.vec_env import make_vec_env
from sb3_vdb.vmail import VDAC, VMAIL, DiscriminatorEvalCallback

EVALUATION_SEED, RESULT_SEED, CHOICE_SEED = 50_000, 60_000, 70_000
EVALUATIONS, EVALUATION_EPISODES, RESULT_EPISODES, CHOICE_EPISODES = 12, 3, 10, 4
BC_UPDATES = 20_000
CONFIG = "config.json"
CHOSEN = "chosen"  # folder of the policy that the discriminator chose
REPLAY = "replay"  # folder of the replay buffer, a small file an episode


class Run(NamedTuple):
    """One line of the table.

    :param folder: where it is kept
    :param settings: of the task
    :param method: key of :data:`METHODS`
    :param n_demonstrations: the first so many of those that ship
    :param seed: of everything that is drawn
    """

    folder: Path
    settings: TaskSettings
    method: str
    n_demonstrations: int
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.settings.task}_{self.method}_{self.n_demonstrations}_{self.seed}"

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.folder / self.name

    def result(self) -> dict[str, Any] | None:
        """What it reached, if it has finished."""
        path = self.path / "result.json"
        return json.loads(path.read_text()) if path.exists() else None


def demonstrations_of(run: Run, look: dict[str, Any]) -> Demonstrations:
    """The demonstrations of a run, drawn as its environment draws."""
    arguments = {**look, **run.settings.env_kwargs}
    arguments.pop("threads", None)  # recordings are of single environments
    whole = Demonstrations.from_recording(
        run.settings.demonstrations, arguments, progress_bar=False, rerender=True
    )
    return whole[: run.n_demonstrations]


def _environments(
    run: Run, look: dict[str, Any], n: int, seed: int, steps: int | None = None
) -> VecEnv:
    limit = {} if steps is None else {"max_episode_steps": steps}
    return make_vec_env(run.settings.env_id, n, seed, {**look, **run.settings.env_kwargs, **limit})


def train(run: Run, report: Report) -> None:
    """Carry a run out, or go on with it.

    The folder gets ``config.json``, ``evaluations.csv``, ``log_<step>/progress.csv``, the latest
    ``model.zip`` with its folder ``replay``, ``chosen`` where the discriminator chooses the
    policy, and ``result.json``.
    """
    if run.result() is not None:
        return
    run.path.mkdir(parents=True, exist_ok=True)
    th.set_num_threads(1)
    config = {**_config(run), "versions": versions()}
    write_text(run.path / CONFIG, json.dumps(config, indent=1, default=asdict))
    (_train_bc if METHODS[run.method] is None else _train_vmail)(run, report)


def _config(run: Run) -> dict[str, Any]:
    """What a run is."""
    arguments = {} if METHODS[run.method] is None else vmail_arguments(run.settings, run.method)
    return {
        "settings": run.settings._asdict(),
        "method": run.method,
        "arguments": arguments,
        "n_demonstrations": run.n_demonstrations,
        "seed": run.seed,
    }


def check_folder(run: Run) -> None:
    """See whether what the folder of a run holds, if anything, is of these settings. The device may
    be another one.

    :raises ValueError: it is not
    """
    path = run.path / CONFIG
    if not path.exists():
        return
    before, now = (
        _flat(json.loads(text))
        for text in (path.read_text(), json.dumps(_config(run), default=asdict))
    )
    for name in sorted((before.keys() | now.keys()) - {"settings.device"}):
        if before.get(name) != now.get(name):
            raise ValueError(
                f"{run.path} holds a run with {name} {before.get(name)}, asked for is "
                f"{now.get(name)}; give another --out, or delete the folder"
            )


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted names. Versions are left out, and what stands in the arguments again."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        whole = prefix + name
        if whole in ("versions", "settings.preset", "settings.changes"):
            continue
        found |= _flat(value, f"{whole}.") if isinstance(value, dict) else {whole: value}
    return found


class _PauseAt(BaseCallback):
    """Interrupts training, whose schedules go by all that is left.

    :param timesteps: when
    """

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        self.timesteps = timesteps

    def _on_step(self) -> bool:
        return self.num_timesteps < self.timesteps


def _train_vmail(run: Run, report: Report) -> None:
    settings = run.settings
    venv = _environments(run, settings.look, settings.n_envs, run.seed, settings.episode_steps)
    judges = _environments(run, settings.look, EVALUATION_EPISODES, EVALUATION_SEED)
    model, choice = _make_or_load(run, venv), _choice(run)
    rows = _rows(run, model)
    step = math.ceil(settings.decisions / EVALUATIONS)
    seconds = rows[-1]["seconds"] if rows else 0.0
    while model.num_timesteps < settings.decisions:
        since = time.monotonic()
        model.set_logger(configure(str(run.path / f"log_{model.num_timesteps}"), ["csv"]))
        left = settings.decisions - model.num_timesteps
        pause = [_PauseAt(model.num_timesteps + step)] if step < left else []
        model.learn(left, callback=[*pause, *choice], reset_num_timesteps=False)
        seconds += time.monotonic() - since
        judges.seed(EVALUATION_SEED)
        reached = evaluate_returns(model, judges, EVALUATION_EPISODES)
        frames = model.num_timesteps * settings.action_repeat
        rows.append(
            {
                "frames": frames,
                "seconds": round(seconds, 1),
                "updates": model._n_updates,
                "return": round(reached.mean, 2),
                "std": round(reached.std, 2),
            }
        )
        write_text(run.path / "evaluations.csv", pd.DataFrame(rows).to_csv(index=False))
        _save(run, model)
        report(frames, f"return {reached.mean:.0f}")
    for callback in choice:
        callback.eval_env.close()
        _finish_chosen(run, model, callback, rows[-1])
        return
    _finish(run, model, settings.look, rows[-1])


def _choice(run: Run) -> list[DiscriminatorEvalCallback]:
    """What chooses the policy that is kept, if the task's settings say so."""
    settings = run.settings
    if settings.choose_every is None:
        return []
    envs = _environments(run, settings.look, CHOICE_EPISODES, CHOICE_SEED + 100 * run.seed)
    return [
        DiscriminatorEvalCallback(
            envs,
            run.path / CHOSEN,
            CHOICE_EPISODES,
            settings.choose_every,
            first=settings.decisions // 2,
        )
    ]


def _save(run: Run, model: VMAIL) -> None:
    """Write the checkpoint; until the model is written, the one before it is whole."""
    model.save_replay_buffer(run.path / REPLAY, parts=True)
    save_model(model, run.path / "model.zip")


def _rows(run: Run, model: VMAIL) -> list[Any]:
    """Evaluations up to the checkpoint; a later one is done again."""
    path = run.path / "evaluations.csv"
    rows: list[Any] = pd.read_csv(path).to_dict("records") if path.exists() else []
    reached = model.num_timesteps * run.settings.action_repeat
    return [row for row in rows if row["frames"] <= reached]


def algorithm_of(run: Run) -> type[VMAIL]:
    """Class of a run's model."""
    return VDAC if run.method == "VDAC" else VMAIL


def _make_or_load(run: Run, venv: VecEnv) -> VMAIL:
    algorithm = algorithm_of(run)
    settings, checkpoint = run.settings, run.path / "model.zip"
    if checkpoint.exists():
        model = algorithm.load(checkpoint, env=venv, device=settings.device)
        model.load_replay_buffer(run.path / REPLAY)
        return model
    return algorithm(
        "CnnPolicy",
        venv,
        demonstrations_of(run, settings.look),
        buffer_size=settings.decisions + settings.decisions // 100 + 1000,
        seed=run.seed,
        device=settings.device,
        **vmail_arguments(settings, run.method),
    )


def _train_bc(run: Run, report: Report) -> None:
    look, n = run.settings.look, run.settings.n_stacked
    look = look if n == 1 else {**look, "frame_stack": n}
    venv = _environments(run, look, 1, run.seed)
    since = time.monotonic()
    cloned = BehaviouralCloning(
        venv, demonstrations_of(run, look), seed=run.seed, device=run.settings.device
    )
    for done in range(0, BC_UPDATES, BC_UPDATES // 10):
        cloned.learn(BC_UPDATES // 10)
        share = (done + BC_UPDATES // 10) / BC_UPDATES
        report(int(share * run.settings.frames), "")
    cloned.save(run.path / "policy.pt")
    row = {"frames": 0, "seconds": time.monotonic() - since, "updates": BC_UPDATES}
    _finish(run, cloned, look, row)


def _finish_chosen(
    run: Run, last: VMAIL, choice: DiscriminatorEvalCallback, row: dict[str, Any]
) -> None:
    """Write what the chosen policy reaches, and the last one beside it."""
    chosen = type(last).load(choice.best_model_path, device=run.settings.device)
    beside = {
        "last_return": round(_reached(run, last, run.settings.look).mean, 1),
        "chosen_after": chosen.num_timesteps * run.settings.action_repeat,
        "choice_frames": sum(int(each["frames"]) for each in choice.history),
    }
    _finish(run, chosen, run.settings.look, row, beside)


def _reached(run: Run, model: Any, look: dict[str, Any]) -> EvaluationResult:
    """Returns on starts that were not looked at before."""
    judges = _environments(run, look, RESULT_EPISODES, RESULT_SEED)
    reached = evaluate_returns(model, judges, RESULT_EPISODES)
    judges.close()
    return reached


def _finish(
    run: Run,
    model: Any,
    look: dict[str, Any],
    last: dict[str, Any],
    beside: dict[str, Any] | None = None,
) -> None:
    """Write what a policy reaches.

    :param run: that has ended
    :param model: what is kept of it
    :param look: that it has of the environment
    :param last: line of ``evaluations.csv``
    :param beside: more for the table
    """
    reached = _reached(run, model, look)
    result = {
        "return": round(reached.mean, 1),
        "std": round(reached.std, 1),
        "share": round(run.settings.share(reached.mean), 4),
        "frames": int(last["frames"]),
        "updates": int(last["updates"]),
        "minutes": round(float(last["seconds"]) / 60.0, 1),
        "worst_episode": round(float(np.min(reached.returns)), 1),
        **(beside or {}),
    }
    write_text(run.path / "result.json", json.dumps(result))
