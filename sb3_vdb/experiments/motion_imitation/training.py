"""One training of the motion table: a method, a skill and a seed; it can be stopped and resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.adversarial.trainer import AdversarialTrainer
from sb3_vdb.baselines import DeepMimicPolicy, DeepMimicPPO
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation import ImitationResult, evaluate_imitation
from sb3_vdb.experiments.framework.checkpoints import load_model, save_model
from sb3_vdb.experiments.framework.evaluations import LOGGED, EvaluationLog, logged_figures
from sb3_vdb.experiments.humanoid.table import evaluate_everywhere
from sb3_vdb.experiments.humanoid.training import (
    EVALUATION_SEED,
    N_EPISODES,
    SEED_STRIDE,
    MocapSettings,
    SkillRun,
)
from sb3_vdb.experiments.motion_imitation.settings import METHODS, PAPER_ERRORS, MotionMethod
from sb3_vdb.pretrained import save_policy
from sb3_vdb.schedules import LinearSchedule
from sb3_vdb.vec_env import make_vec_env

if TYPE_CHECKING:
    from typing_extensions import Self

CHECKPOINT, EVALUATIONS, POLICY = "checkpoint.zip", "evaluations.csv", "policy.pt"
REWARD = "reward.pt"  # what was learned, beside the policy
ENV_KWARGS = {"drift": True}
PHASE_SHIFTS = 16  # of a cycle, over which the error is minimised
Learner = AdversarialTrainer | DeepMimicPPO


@dataclass(frozen=True)
class MotionRun(SkillRun):
    """A skill, a seed and a method.

    :param method: name in :data:`~sb3_vdb.experiments.motion_imitation.settings.METHODS`
    :param clip: of the skill "Mocap": a name or the path of a file
    """

    method: str
    clip: str | None = None

    METHODS: ClassVar[Mapping[str, MotionMethod]] = METHODS
    GROUPS: ClassVar[Mapping[str, Sequence[str]]] = {"": list(METHODS)}  # in one figure each
    PAPER_ERRORS: ClassVar[Mapping[str, Mapping[str, str]]] = PAPER_ERRORS
    DOCUMENTED: ClassVar[tuple[str, ...]] = ("VAIL-difference",)  # films in the documentation
    PAGE: ClassVar[str] = "motion_imitation/page.html"

    @classmethod
    def of_config(cls, out: Path, config: Mapping[str, Any]) -> Self:
        """Make the run that a ``config.json`` describes.

        :param out: folder of the study
        :param config: the file's content
        """
        settings = MocapSettings(**config["settings"])
        return cls(out, config["skill"], config["seed"], settings, config["method"])

    @property
    def name(self) -> str:
        """Name of the folder, for example ``Run_VAIL-difference_0``."""
        return f"{self.skill}_{self.method}_{self.seed}".replace(", ", "_").replace(" ", "_")

    @property
    def label(self) -> str:
        """What tables and figures call the method."""
        return self.method

    @property
    def recipe(self) -> MotionMethod:
        """What the method is."""
        return self.METHODS[self.method]

    @property
    def env_id(self) -> str:
        """Environment of the skill, in MuJoCo."""
        return f"sb3_vdb/Humanoid{self.skill}-v0"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        clip = {} if self.clip is None else {"clip": self.clip}
        return {"method": self.method, **clip, **super().arguments()}

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """Arguments of the environment that decide what is learned."""
        return ENV_KWARGS if self.clip is None else {**ENV_KWARGS, "clip": self.clip}

    def make(self, n: int, seed: int, **kwargs: Any) -> VecEnv:
        """Make environments of the skill."""
        env_kwargs = {**self.env_kwargs, "threads": 1}
        return make_vec_env(self.env_id, n, seed=seed, env_kwargs=env_kwargs, **kwargs)

    def make_training(self) -> VecEnv:
        """Make the environments that are trained in."""
        return self.make(self.settings.n_envs, SEED_STRIDE * self.seed)

    def make_evaluation(self) -> VecEnv:
        """Make the environments of evaluations in training."""
        return self.make(N_EPISODES, EVALUATION_SEED, every_step_infos=True, monitor=False)

    def evaluate(self, policy: Path) -> None:
        """Evaluate a trained policy everywhere, and write the table of it."""
        evaluate_everywhere(self, policy)

    @classmethod
    def figures(cls, runs: Sequence[MotionRun], folder: Path) -> list[Path]:
        """Draw what the study shows beside its curves.

        :param runs: the best seed of every skill and method
        :param folder: where the figures go
        :return: their paths
        """
        return []

    def demonstrations(self) -> Demonstrations:
        """Make what is learned from."""
        return Demonstrations.from_mocap(self.env_id, env_kwargs=self.env_kwargs)


Progress = Callable[[int, ImitationResult | None], None]


def train_motion(run: MotionRun, progress: Progress | None = None) -> Path:
    """Train, or go on with a training that was stopped.

    The folder gets ``evaluations.csv`` (32 deterministic episodes at 1/240 s every
    ``evaluate_every`` samples), ``checkpoint.zip`` (the latest) and at the end ``policy.pt``, a
    policy of the id's own observation; and ``reward.pt``, where one was learned.

    :param run: what to train and where
    :param progress: called with the samples done and each evaluation
    :return: path of the policy
    """
    final = run.folder / POLICY
    if final.exists():
        return final
    run.note_versions()
    venv = run.make_training()
    learner = _resumed(run, venv) or make_learner(run, venv)
    generator = learner if isinstance(learner, DeepMimicPPO) else learner.gen_algo
    callback = EvaluateAndSave(run, learner, progress)
    start = generator.num_timesteps
    learner.learn(run.settings.samples - start, callback, reset_num_timesteps=start == 0)
    callback.evaluate()
    if isinstance(learner, AdversarialTrainer):
        learner.recovered_reward().save(run.folder / REWARD)
    assert isinstance(generator.policy, DeepMimicPolicy)
    save_policy(generator.policy.of_part("state"), final, "")
    (run.folder / CHECKPOINT).unlink(missing_ok=True)
    venv.close()
    return final


def _resumed(run: MotionRun, venv: VecEnv) -> Learner | None:
    """Go on from the checkpoint; None where there is none."""
    path, trainer = run.folder / CHECKPOINT, run.recipe.trainer
    if not path.exists():
        return None
    if trainer is not None:
        return trainer.load(path, venv)
    model: DeepMimicPPO = load_model(DeepMimicPPO, path, venv)
    model.set_random_seed(run.seed + model.num_timesteps)
    venv.seed(SEED_STRIDE * run.seed + model.num_timesteps)  # not the first episodes again
    venv.reset()
    return model


def make_learner(run: MotionRun, venv: VecEnv) -> Learner:
    """Make what learns, untrained.

    :param run: method, skill and seed
    :param venv: of :meth:`MotionRun.make`
    """
    settings, method = run.settings, run.recipe
    noise = LinearSchedule(
        settings.first_std / np.pi, settings.last_std / np.pi, settings.noise_share
    )
    generator = DeepMimicPPO(
        "MultiInputPolicy",
        venv,
        action_std=noise,
        n_steps=settings.n_steps,
        batch_size=settings.batch_size,
        kl_per_rollout=settings.kl_per_rollout,
        policy_kwargs={"features_extractor_kwargs": {"key": "state"}},
        seed=run.seed,
        device="cpu",
    )
    if method.trainer is None:
        return generator
    demonstrations = run.demonstrations()
    arguments = method.arguments(demonstrations)
    return method.trainer(demonstrations, venv, generator, seed=run.seed, device="cpu", **arguments)


class EvaluateAndSave(BaseCallback):
    """Between rollouts: an evaluation and a checkpoint every ``evaluate_every`` samples.

    :param run: the run
    :param learner: what learns
    :param progress: called with the samples done and each evaluation
    """

    def __init__(self, run: MotionRun, learner: Learner, progress: Progress | None) -> None:
        super().__init__()
        self.run, self.learner, self.progress = run, learner, progress
        self._venv = run.make_evaluation()
        self._next = 0
        self._logged: dict[str, float] = {}

    def _init_callback(self) -> None:
        reached = self.model.num_timesteps
        self._log = EvaluationLog(self.run.folder / EVALUATIONS, "samples", reached)
        if self._log.last is not None:
            self._next = self._log.last["samples"] + self.run.settings.evaluate_every
        self._log.start()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._logged = logged_figures(self.logger)

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self._next:
            self._next = self.num_timesteps + self.run.settings.evaluate_every
            self.evaluate()
            path = self.run.folder / CHECKPOINT
            if isinstance(self.learner, AdversarialTrainer):
                self.learner.save(path)
            else:
                save_model(self.learner, path)
        elif self.progress is not None:
            self.progress(self.num_timesteps, None)

    def evaluate(self) -> None:
        """Evaluate and write the row; the clock counts training alone."""
        self._log.stop()
        self._venv.seed(EVALUATION_SEED)
        result = evaluate_imitation(self.model, self._venv, phase_shifts=PHASE_SHIFTS)
        logged = {short: self._logged.get(short) for short in LOGGED.values()}
        self._log.add(self.model.num_timesteps, **result._asdict(), **logged)
        if self.progress is not None:
            self.progress(self.model.num_timesteps, result)
        self._log.start()
