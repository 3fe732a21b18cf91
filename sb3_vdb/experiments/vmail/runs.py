"""One run: V-MAIL or behavioural cloning from some demonstrations of a task."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.baselines import BehaviouralCloning
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation import EvaluationResult, evaluate_returns
from sb3_vdb.experiments.framework.checkpoints import save_model
from sb3_vdb.experiments.framework.evaluations import EvaluationLog
from sb3_vdb.experiments.framework.job import Report
from sb3_vdb.experiments.framework.run import Run, defaults_of, write_result
from sb3_vdb.experiments.vmail.settings import VMAIL_METHODS, TaskSettings, vmail_arguments
from sb3_vdb.vec_env import make_vec_env
from sb3_vdb.vmail import VMAIL, DiscriminatorEvalCallback

EVALUATION_SEED, RESULT_SEED, CHOICE_SEED = 50_000, 60_000, 70_000
EVALUATIONS, EVALUATION_EPISODES, RESULT_EPISODES, CHOICE_EPISODES = 12, 3, 10, 4
BC_UPDATES = 20_000
CHOSEN = "chosen"  # folder of the policy that the discriminator chose
MODEL = "model.zip"  # the latest networks
REPLAY = "replay"  # folder of the replay buffer, a small file an episode


@dataclass(frozen=True)
class PixelRun(Run):
    """One line of the table.

    :param settings: of the task
    :param method: name in :data:`VMAIL_METHODS`
    :param n_demonstrations: the first so many of those that ship
    :param seed: of everything that is sampled
    """

    settings: TaskSettings
    method: str
    n_demonstrations: int
    seed: int

    # arguments say in the end what preset and changes come to
    MAY_DIFFER: ClassVar[tuple[str, ...]] = (
        "settings.device",
        "settings.preset",
        "settings.changes",
    )

    @property
    def name(self) -> str:
        """Name of the folder."""
        return f"{self.settings.task}_{self.method}_{self.n_demonstrations}_{self.seed}"

    @property
    def algorithm(self) -> type[Any]:
        """Class that is trained."""
        return VMAIL_METHODS[self.method].algorithm

    @property
    def is_vmail(self) -> bool:
        """Whether a form of V-MAIL is trained, or behavioural cloning."""
        return issubclass(self.algorithm, VMAIL)

    @property
    def has_model(self) -> bool:
        """Whether the networks are there, with their replay buffer."""
        return (self.folder / MODEL).exists() and (self.folder / REPLAY).exists()

    @property
    def evaluations(self) -> Path:
        """Table of the evaluations during training."""
        return self.folder / "evaluations.csv"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {
            "settings": self.settings._asdict(),
            "method": self.method,
            "arguments": vmail_arguments(self.settings, self.method) if self.is_vmail else {},
            "n_demonstrations": self.n_demonstrations,
            "seed": self.seed,
        }

    def defaults(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return defaults_of(self.settings, "settings.")


def demonstrations_of(run: PixelRun, look: dict[str, Any]) -> Demonstrations:
    """Return the demonstrations of a run, rendered as its environment renders."""
    arguments = {**look, **run.settings.env_kwargs}
    arguments.pop("threads", None)  # recordings are of single environments
    recorded = Demonstrations.from_recording(
        run.settings.demonstrations, arguments, progress_bar=False, rerender=True
    )
    return recorded[: run.n_demonstrations]


def _environments(
    run: PixelRun, look: dict[str, Any], n: int, seed: int, steps: int | None = None
) -> VecEnv:
    limit = {} if steps is None else {"max_episode_steps": steps}
    kwargs = {**look, **run.settings.env_kwargs, **limit}
    return make_vec_env(run.settings.env_id, n, seed, env_kwargs=kwargs)


def train(run: PixelRun, report: Report) -> None:
    """Carry a run out, or go on with it.

    The folder gets ``config.json``, ``evaluations.csv``, ``log_<step>/progress.csv``, the latest
    ``model.zip`` with its folder ``replay``, ``chosen`` where the discriminator chooses the
    policy, and ``result.json``.
    """
    if run.result() is not None:
        return
    run.claim()
    run.note_versions()
    th.set_num_threads(1)
    if run.is_vmail:
        _train_vmail(run, report)
    else:
        _train_bc(run, report)


class _PauseAt(BaseCallback):
    """Interrupts training, whose schedules go by all that is left.

    :param timesteps: when
    """

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        self.timesteps = timesteps

    def _on_step(self) -> bool:
        return self.num_timesteps < self.timesteps


def _train_vmail(run: PixelRun, report: Report) -> None:
    settings = run.settings
    venv = _environments(run, settings.look, settings.n_envs, run.seed, settings.episode_steps)
    judges = _environments(run, settings.look, EVALUATION_EPISODES, EVALUATION_SEED)
    model, choice = _make_or_load(run, venv), _choice(run)
    log = EvaluationLog(run.evaluations, "frames", model.num_timesteps * settings.action_repeat)
    step = math.ceil(settings.decisions / EVALUATIONS)
    while model.num_timesteps < settings.decisions:
        log.start()
        model.set_logger(configure(str(run.folder / f"log_{model.num_timesteps}"), ["csv"]))
        left = settings.decisions - model.num_timesteps
        callbacks: list[BaseCallback] = [] if choice is None else [choice]
        if step < left:
            callbacks.insert(0, _PauseAt(model.num_timesteps + step))
        model.learn(left, callback=callbacks, reset_num_timesteps=False)
        log.stop()
        judges.seed(EVALUATION_SEED)
        reached = evaluate_returns(model, judges, EVALUATION_EPISODES)
        figures = {"return": round(reached.mean, 2), "std": round(reached.std, 2)}
        frames = model.num_timesteps * settings.action_repeat
        log.add(frames, updates=model._n_updates, **figures)
        _save(run, model)
        report(frames, f"return {reached.mean:.0f}")
    assert log.last is not None
    if choice is None:
        _finish(run, model, settings.look, log.last)
    else:
        choice.eval_env.close()
        _finish_chosen(run, model, choice, log.last)


def _choice(run: PixelRun) -> DiscriminatorEvalCallback | None:
    """Return what chooses the policy that is kept; None where the last one is."""
    settings = run.settings
    if settings.choose_every is None:
        return None
    envs = _environments(run, settings.look, CHOICE_EPISODES, CHOICE_SEED + 100 * run.seed)
    return DiscriminatorEvalCallback(
        envs,
        run.folder / CHOSEN,
        CHOICE_EPISODES,
        settings.choose_every,
        first=settings.decisions // 2,
    )


def _save(run: PixelRun, model: VMAIL) -> None:
    """Write the checkpoint; until the model is written, the one before it is complete."""
    model.save_replay_buffer(run.folder / REPLAY, parts=True)
    save_model(model, run.folder / MODEL)


def _make_or_load(run: PixelRun, venv: VecEnv) -> VMAIL:
    settings, checkpoint = run.settings, run.folder / MODEL
    if checkpoint.exists():
        model = run.algorithm.load(checkpoint, env=venv, device=settings.device)
        model.load_replay_buffer(run.folder / REPLAY)
        return model  # type: ignore[no-any-return]
    return run.algorithm(  # type: ignore[no-any-return]
        "CnnPolicy",
        venv,
        demonstrations_of(run, settings.look),
        buffer_size=settings.decisions + settings.decisions // 100 + 1000,
        seed=run.seed,
        device=settings.device,
        **vmail_arguments(settings, run.method),
    )


def _train_bc(run: PixelRun, report: Report) -> None:
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
    cloned.save(run.folder / "policy.pt")
    row = {"frames": 0, "seconds": time.monotonic() - since, "updates": BC_UPDATES}
    _finish(run, cloned, look, row)


def _finish_chosen(
    run: PixelRun, last: VMAIL, choice: DiscriminatorEvalCallback, row: dict[str, Any]
) -> None:
    """Write what the chosen policy reaches, and next to it the last one."""
    chosen = type(last).load(choice.best_model_path, device=run.settings.device)
    more = {
        "last_return": round(_reached(run, last, run.settings.look).mean, 1),
        "chosen_after": chosen.num_timesteps * run.settings.action_repeat,
        "choice_frames": sum(int(each["frames"]) for each in choice.history),
    }
    _finish(run, chosen, run.settings.look, row, more)


def _reached(run: PixelRun, model: Any, look: dict[str, Any]) -> EvaluationResult:
    """Evaluate on starts that were not looked at before."""
    judges = _environments(run, look, RESULT_EPISODES, RESULT_SEED)
    reached = evaluate_returns(model, judges, RESULT_EPISODES)
    judges.close()
    return reached


def _finish(
    run: PixelRun,
    model: Any,
    look: dict[str, Any],
    last: dict[str, Any],
    more: dict[str, Any] | None = None,
) -> None:
    """Write what a policy reaches.

    :param run: that has ended
    :param model: what is kept of it
    :param look: that it has of the environment
    :param last: line of ``evaluations.csv``
    :param more: for the table
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
        **(more or {}),
    }
    write_result(run.folder, result)
