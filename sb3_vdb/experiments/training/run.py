"""One training of ``sb3-vdb train``: a method, an environment, demonstrations and a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_vdb.adversarial.log import log_to
from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.baselines import BehaviouralCloning
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.demonstrations.absorbing import AbsorbingStates, with_absorbing_states
from sb3_vdb.demonstrations.leaks import warn_of_leaks
from sb3_vdb.environments import time_limit
from sb3_vdb.evaluation.returns import EvaluationResult, evaluate_returns
from sb3_vdb.experiments.framework.checkpoints import load_run, save_run
from sb3_vdb.experiments.framework.evaluations import LOGGED, EvaluationLog, logged_figures
from sb3_vdb.experiments.framework.job import Report
from sb3_vdb.experiments.framework.run import Run, flat, has_result, write_result
from sb3_vdb.experiments.training.learners import Learner, make_learner
from sb3_vdb.files import write_bytes
from sb3_vdb.methods import method as named_method
from sb3_vdb.run_state import share_statistics
from sb3_vdb.saved_models import named_algorithm
from sb3_vdb.vec_env import make_vec_env

CHECKPOINT, EVALUATIONS, REWARD = "checkpoint.zip", "evaluations.csv", "reward.pt"
REPLAY, LOG = "replay.pkl", "log"
MODEL = "model.zip"  # what `sb3-vdb evaluate` and `record` take
SEED_STRIDE, EVALUATION_SEED = 1_000, 900_000
# makes what goes on around a training, of the run's name, its folder and its arguments
Follow = Callable[[str, Path, Mapping[str, Any]], AbstractContextManager[Any]]
N_ABSORBING = 1  # steps, over which the algorithms estimate what follows


@dataclass(frozen=True)
class TrainingSettings:
    """What a training has beside method, environment and seed.

    :param demos: file that ``Demonstrations.save`` wrote
    :param steps: environment steps; of cloning, updates
    :param n_envs: environments side by side
    :param algorithm: that generates; None for the method's own
    :param normalize: whether the policy sees normalised observations
    :param env_kwargs: of the environment
    :param arguments: of the method, in place of its own
    :param algorithm_arguments: of the algorithm, in place of SB3's defaults
    :param absorbing: whether absorbing states follow what ends by itself, for one step
    :param parts: of Dict observations, that the discriminator sees; all by default
    :param n_evaluations: from the first steps to the end
    :param n_episodes: of an evaluation
    """

    demos: str
    steps: int = 100_000
    n_envs: int = 8
    algorithm: str | None = None
    normalize: bool = False
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    algorithm_arguments: dict[str, Any] = field(default_factory=dict)
    absorbing: bool = False
    parts: Sequence[str] = ()
    n_evaluations: int = 10
    n_episodes: int = 10


@dataclass(frozen=True)
class TrainingRun(Run):
    """A method, an environment and a seed.

    :param method: of :data:`~sb3_vdb.methods.METHODS`
    :param env_id: registered, or ``"module:Id-v0"``
    :param seed: random seed
    :param settings: all else
    """

    method: str
    env_id: str
    seed: int
    settings: TrainingSettings

    @property
    def name(self) -> str:
        """Name of the folder, for example ``vail_CMaze-v0_0``."""
        return f"{self.method}_{self.env_id.rpartition('/')[2].rpartition(':')[2]}_{self.seed}"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        own = {"method": self.method, "env_id": self.env_id, "seed": self.seed}
        return {**own, "settings": self.settings}

    def demonstrations(self) -> Demonstrations:
        """Read what is learned from."""
        return Demonstrations.load(self.settings.demos)

    def expert(self, venv: VecEnv) -> Demonstrations:
        """Read what is learned from, with the absorbing states that the environments have."""
        demonstrations = self.demonstrations()
        if not self.settings.absorbing:
            return demonstrations
        return with_absorbing_states(
            demonstrations, self.horizon, venv.action_space, n_absorbing=N_ABSORBING
        )

    @property
    def horizon(self) -> int:
        """Time limit of the environment.

        :raises ValueError: it has none
        """
        return time_limit(self.env_id, self.settings.env_kwargs)

    def environments(self, n: int, seed: int, training: bool) -> VecEnv:
        """Make environments, with absorbing states and normalised where that is asked for."""
        around: dict[str, Any] = {}
        if self.settings.absorbing:
            wrapped = {"horizon": self.horizon, "n_absorbing": N_ABSORBING}
            around = {"wrapper_class": AbsorbingStates, "wrapper_kwargs": wrapped}
        kwargs = self.settings.env_kwargs
        venv: VecEnv = make_vec_env(self.env_id, n, seed=seed, env_kwargs=kwargs, **around)
        if not self.settings.normalize:
            return venv
        return VecNormalize(venv, training=training, norm_reward=False)

    def learner(self, venv: VecEnv, log_dir: Path | None = None) -> Learner:
        """Make what learns, untrained.

        :param venv: environments to learn in
        :param log_dir: folder for SB3's logs; None for none
        """
        settings = self.settings
        return make_learner(
            named_method(self.method),
            settings.algorithm,
            venv,
            self.expert(venv),
            self.seed,
            settings.arguments,
            settings.algorithm_arguments,
            log_dir,
            settings.parts,
        )

    def try_out(self) -> None:
        """Make everything once, so that nothing is refused after hours, and say what tells the
        expert from any agent.

        :raises ValueError: something does not fit
        """
        venv = self.environments(self.settings.n_envs, self.seed, training=True)
        try:
            self.learner(venv)
        finally:
            venv.close()
        checked = self.environments(self.settings.n_envs, self.seed, training=True)
        try:
            warn_of_leaks(self.expert(checked), _raw(checked))
        finally:
            checked.close()


def _raw(venv: VecEnv) -> VecEnv:
    return venv.venv if isinstance(venv, VecNormalize) else venv


def train(run: TrainingRun, report: Report, follow: Follow | None = None) -> None:
    """Train, or go on with a training that was stopped; cloning begins anew.

    The folder gets ``evaluations.csv``, ``model.zip``, ``reward.pt`` where a reward was learned,
    ``result.json``, and SB3's logs in ``log``.

    :param run: what to train and where
    :param report: told how far it is
    :param follow: something that goes on around the training, see :data:`Follow`
    """
    if has_result(run.folder):
        return
    with nullcontext() if follow is None else follow(run.name, run.folder, flat(run.arguments())):
        _train(run, report)


def _train(run: TrainingRun, report: Report) -> None:
    run.note_versions()
    venv = run.environments(run.settings.n_envs, SEED_STRIDE * run.seed, training=True)
    seed = EVALUATION_SEED + run.seed
    tested = run.environments(min(run.settings.n_episodes, 10), seed, training=False)
    learner = _resumed(run, venv) or run.learner(venv, run.folder / LOG)
    evaluation = _Evaluation(run, learner, venv, tested, report)
    if isinstance(learner, BehaviouralCloning):
        _clone(run, learner, evaluation)
    else:
        model = learner.gen_algo if isinstance(learner, AdversarialTrainer) else learner
        start = model.num_timesteps
        evaluation.begin(start)
        if start < run.settings.steps:
            callback = _EvaluateAndSave(evaluation)
            learner.learn(run.settings.steps - start, callback, reset_num_timesteps=start == 0)
            evaluation.logged = callback.logged
    last = evaluation.add(_done(run, learner))
    _save(learner, run.folder / MODEL)
    if isinstance(learner, AdversarialTrainer):
        learner.recovered_reward(learner.frozen_reward_type).save(run.folder / REWARD)
    write_result(run.folder, {"return": round(last.interquartile_mean, 4), **_success(last)})
    for name in (CHECKPOINT, REPLAY):
        (run.folder / name).unlink(missing_ok=True)
    for each in (venv, tested):
        each.close()


def _done(run: TrainingRun, learner: Learner) -> int:
    return run.settings.steps if isinstance(learner, BehaviouralCloning) else learner.num_timesteps


def _success(result: EvaluationResult) -> dict[str, float]:
    return {} if result.success_rate is None else {"success_rate": result.success_rate}


def _resumed(run: TrainingRun, venv: VecEnv) -> Learner | None:
    path, method = run.folder / CHECKPOINT, named_method(run.method)
    if not path.exists():
        return None
    if issubclass(method.kind, AdversarialTrainer):
        trainer: AdversarialTrainer = method.kind.load(path, venv)
        return trainer
    assert method.algorithm is not None
    model: Any = load_run(named_algorithm(run.settings.algorithm or method.algorithm), path, venv)
    model.load_replay_buffer(run.folder / REPLAY)
    log_to(model, str(run.folder / LOG), verbose=0, suffix=f"_from_{model.num_timesteps}")
    return model  # type: ignore[no-any-return]


def _checkpoint(learner: Learner, folder: Path) -> None:
    """Keep what a stopped training goes on from."""
    if isinstance(learner, AdversarialTrainer):
        learner.save(folder / CHECKPOINT)
    elif isinstance(learner, OffPolicyAlgorithm):
        temporary = folder / f"unfinished_{REPLAY}"
        learner.save_replay_buffer(temporary)
        temporary.replace(folder / REPLAY)
        save_run(learner, folder / CHECKPOINT)


def _save(learner: Learner, path: Path) -> None:
    temporary = path.with_name("unfinished.zip")
    learner.save(temporary)
    write_bytes(path, temporary.read_bytes())
    temporary.unlink()


def _clone(run: TrainingRun, cloning: BehaviouralCloning, evaluation: _Evaluation) -> None:
    """Carry out updates, with evaluations in between."""
    marks = np.linspace(0, run.settings.steps, run.settings.n_evaluations + 1).astype(int)
    evaluation.begin(0)
    for before, after in pairwise(marks):
        evaluation.add(int(before))
        cloning.learn(int(after - before))


class _Evaluation:
    """Evaluates a learner and keeps the table.

    :param run: of the learner
    :param learner: what learns
    :param venv: environments it learns in
    :param tested: environments it is evaluated in
    :param report: told how far it is
    """

    def __init__(
        self, run: TrainingRun, learner: Learner, venv: VecEnv, tested: VecEnv, report: Report
    ) -> None:
        self.run, self.learner, self.venv, self.tested = run, learner, venv, tested
        self.report, self.note = report, ""
        self.logged: dict[str, float] = {}
        self.every = max(1, run.settings.steps // run.settings.n_evaluations)
        self.next = 0

    def begin(self, reached: int) -> None:
        """Go on with the table of a run that was stopped."""
        self.log = EvaluationLog(self.run.folder / EVALUATIONS, "steps", reached)
        if self.log.last is not None:
            self.next = int(self.log.last["steps"]) + self.every
        self.log.start()

    def add(self, done: int) -> EvaluationResult:
        """Evaluate and write the row; the clock counts training alone."""
        if self.log.last is not None and self.log.last["steps"] == done:
            self.log.rows.pop()
        self.log.stop()
        self.tested.seed(EVALUATION_SEED + self.run.seed)
        result = self._evaluate()
        figures = {short: self.logged.get(short) for short in LOGGED.values()}
        returns = {"return": result.interquartile_mean, "mean": result.mean, "std": result.std}
        lengths = {"length": float(result.lengths.mean()), **_success(result)}
        self.log.add(done, **returns, **lengths, **figures)
        self.note = f"return {result.interquartile_mean:.4g}"
        self.report(done, self.note)
        self.next = done + self.every
        self.log.start()
        return result

    def _evaluate(self) -> EvaluationResult:
        n = self.run.settings.n_episodes
        if isinstance(self.learner, AdversarialTrainer):
            return self.learner.evaluate(self.tested, n)
        share_statistics(self.venv, self.tested)
        return evaluate_returns(self.learner, self.tested, n, deterministic=True)


class _EvaluateAndSave(BaseCallback):
    """Between rollouts: evaluations and checkpoints."""

    def __init__(self, evaluation: _Evaluation) -> None:
        super().__init__()
        self.evaluation = evaluation
        self.logged: dict[str, float] = {}

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.logged = logged_figures(self.logger) or self.logged

    def _on_rollout_start(self) -> None:
        evaluation, done = self.evaluation, self.model.num_timesteps
        if done < evaluation.next:
            evaluation.report(done, evaluation.note)
            return
        evaluation.logged = self.logged
        evaluation.add(done)
        _checkpoint(evaluation.learner, evaluation.run.folder)
