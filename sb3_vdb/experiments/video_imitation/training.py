"""One training of the video study: a method, a skill, a seed, and where its episodes begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from stable_baselines3.common.vec_env import VecEnv

from sb3_vdb.baselines import PixelReward
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.foreign_videos import RATE, painted_video
from sb3_vdb.experiments.humanoid.table import SimulatorRow, evaluate_everywhere
from sb3_vdb.experiments.humanoid.training import EVALUATION_SEED, N_EPISODES
from sb3_vdb.experiments.motion_imitation.settings import MotionMethod
from sb3_vdb.experiments.motion_imitation.training import REWARD, MotionRun
from sb3_vdb.experiments.video_imitation.pictures import saliency_figure
from sb3_vdb.experiments.video_imitation.settings import (
    FOREIGN,
    GROUPS,
    HAND_MADE,
    METHODS,
    SALIENT,
)
from sb3_vdb.reward_vec_env import RewardVecEnv
from sb3_vdb.vec_env import make_vec_env
from sb3_vdb.views import PictureDifference

if TYPE_CHECKING:
    from typing_extensions import Self

# by the paper's rule, torso on the ground, a biped on hands and knees lives on, and learns that
FALL = "deepmimic"
ON_BULLET = ("Run",)  # skills that have an id there
ANYWHERE = ", begun anywhere"  # in the clip, behind a method's name
FIRST_POSE = {"random_start": False}
SIMULATORS = (
    SimulatorRow("MuJoCo 1/240 s", "Biped", 1 / 240, N_EPISODES, "Video"),
    # where the training began; with the noise it ended with, as all episodes would be one without
    SimulatorRow(
        "MuJoCo 1/240 s, from the first pose, with noise",
        "Biped",
        1 / 240,
        N_EPISODES,
        "Video",
        FIRST_POSE,
        deterministic=False,
    ),
    SimulatorRow("MuJoCo 1/1200 s", "Biped", 1 / 1200, N_EPISODES, "Video"),
    SimulatorRow("Bullet 1/1200 s", "BulletBiped", 1 / 1200, 8, "Video"),
)


@dataclass(frozen=True)
class VideoRun(MotionRun):
    """A skill, a seed and a method of the video study.

    :param random_start: whether episodes of the training begin anywhere in the clip, whose states a
        video does not give
    """

    random_start: bool = False

    METHODS: ClassVar[Mapping[str, MotionMethod]] = METHODS
    GROUPS: ClassVar[Mapping[str, Sequence[str]]] = GROUPS
    PAPER_ERRORS: ClassVar[Mapping[str, Mapping[str, str]]] = {}  # it gives a curve without numbers
    DOCUMENTED: ClassVar[tuple[str, ...]] = (f"VAIL-difference{ANYWHERE}",)
    PAGE: ClassVar[str] = "video_imitation/page.html"

    @classmethod
    def of_config(cls, out: Path, config: Mapping[str, Any]) -> Self:
        """Make the run that a ``config.json`` describes; see :meth:`MotionRun.of_config`."""
        return replace(super().of_config(out, config), random_start=config["random_start"])

    @property
    def name(self) -> str:
        """Name of the folder, for example ``Run_VAIL-difference_0``."""
        return f"{super().name}{'_random_start' if self.random_start else ''}"

    @property
    def label(self) -> str:
        """What tables and figures call the method, and where its episodes began."""
        return f"{self.method}{ANYWHERE if self.random_start else ''}"

    @property
    def env_id(self) -> str:
        """Environment of the skill, in MuJoCo."""
        return f"sb3_vdb/Biped{self.skill}Video-v0"

    def arguments(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {**super().arguments(), "random_start": self.random_start}

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """Arguments of the environment that decide what is learned."""
        clip = {} if self.clip is None else {"clip": self.clip}
        return {"random_start": self.random_start, "fall": FALL, **clip}

    def make_training(self) -> VecEnv:
        """Make the environments that are trained in; they pay the pixels' reward where that is the
        method.
        """
        venv = super().make_training()
        if self.method in HAND_MADE and HAND_MADE[self.method].is_of_pixels:
            view = self.demonstrations().view
            assert view is not None
            assert isinstance(view.observation, PictureDifference)
            return RewardVecEnv(venv, PixelReward(view.observation, venv.observation_space))
        return venv

    def make_evaluation(self) -> VecEnv:
        """Make the environments of evaluations, which begin anywhere in the clip: from one and the
        same start, all episodes would be one.
        """
        kwargs = {**self.env_kwargs, "random_start": True, "threads": 1}
        return make_vec_env(
            self.env_id,
            N_EPISODES,
            EVALUATION_SEED,
            env_kwargs=kwargs,
            monitor=False,
            every_step_infos=True,
        )

    def evaluate(self, policy: Path) -> None:
        """Evaluate a trained policy in 32 episodes that begin anywhere in the clip."""
        rows = [row for row in SIMULATORS if row.prefix == "Biped" or self.skill in ON_BULLET]
        evaluate_everywhere(self, policy, rows, {"random_start": True, "fall": FALL})

    @classmethod
    def figures(cls, runs: Sequence[MotionRun], folder: Path) -> list[Path]:
        """Draw where some discriminators look, of every skill (of those whose episodes begin
        anywhere, where there are both); see :meth:`MotionRun.figures`.
        """
        chosen = {run.method: run for run in runs if (run.folder / REWARD).exists()}
        learned = [chosen[method] for method in SALIENT if method in chosen]
        return [
            saliency_figure(of_skill, folder / f"{skill.lower()}_saliency.png")
            for skill in dict.fromkeys(run.skill for run in learned)
            for of_skill in [[run for run in learned if run.skill == skill]]
        ]

    def demonstrations(self) -> Demonstrations:
        """Make what is learned from: the clip's video at 30 Hz, drawn by the environment or, by
        that method, filmed by another renderer.
        """
        if self.method == FOREIGN:
            frames = painted_video(self.skill.lower())
            return Demonstrations.from_video(
                frames, self.env_id, rate=RATE, env_kwargs=self.env_kwargs
            )
        return Demonstrations.from_mocap(self.env_id, env_kwargs=self.env_kwargs, n_starts=1)
