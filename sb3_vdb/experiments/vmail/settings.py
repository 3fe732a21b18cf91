"""What is run: tasks with their budgets, methods, and what a method changes."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any, NamedTuple

from sb3_vdb.baselines import BehaviouralCloning
from sb3_vdb.demonstrations import recording
from sb3_vdb.experiments.framework.method import Method
from sb3_vdb.schedules import LinearSchedule
from sb3_vdb.vmail import VDAC, VMAIL, preset

FRAMES_A_DECISION = 2  # action repeat, the paper's
LAPTOP_LOOK: dict[str, Any] = {"image_size": 32, "supersample": 8}
PAPER_LOOK: dict[str, Any] = {"image_size": 64}
SUITE_KWARGS: dict[str, Any] = {"action_repeat": FRAMES_A_DECISION, "threads": 1}
N_STACKED = 3  # pictures that behavioural cloning sees, as it has no memory


class TaskSettings(NamedTuple):
    """Budget of a task.

    :param task: name in the ids
    :param look: arguments of the pixel environment that decide what is seen
    :param frames: environment frames of the policy
    :param preset: settings of V-MAIL
    :param changes: of the preset, for this task
    :param n_envs: environments
    :param device: of the networks
    :param env_kwargs: other arguments of the environment
    :param n_stacked: pictures that behavioural cloning sees
    :param floor: return of doing nothing, from which shares of the expert's are counted
    :param episode_steps: decisions after which an episode of training ends, so that more of them
        are spent near what the expert shows; None for the task's own length
    :param recording: of the expert, one that ships; None for the one with the task's name
    :param choose_every: decisions between evaluations by which the discriminator chooses the policy
        that is kept, in the second half of the training; None for the last one
    """

    task: str
    look: dict[str, Any]
    frames: int
    preset: str
    changes: dict[str, Any]
    n_envs: int = 1
    device: str = "cpu"
    env_kwargs: dict[str, Any] = SUITE_KWARGS
    n_stacked: int = N_STACKED
    floor: float = 0.0
    episode_steps: int | None = None
    recording: str | None = None
    choose_every: int | None = None

    @property
    def env_id(self) -> str:
        """Id of the pixel environment."""
        return f"sb3_vdb/{self.task}Pixels-v0"

    @property
    def decisions(self) -> int:
        """Time steps of SB3."""
        return self.frames // self.action_repeat

    @property
    def action_repeat(self) -> int:
        """Environment frames of a decision."""
        return int(self.env_kwargs.get("action_repeat", 1))

    @property
    def demonstrations(self) -> str:
        """Name of the recording."""
        return self.recording or self.task

    @property
    def expert_return(self) -> float:
        """Mean return of the recording's episodes."""
        return float(recording.load(self.demonstrations).returns.mean())

    def share(self, reached: float) -> float:
        """Return a return as a share of the expert's."""
        return (reached - self.floor) / (self.expert_return - self.floor)


# how these were chosen: docs/notes/vmail.md
CARTPOLE_CHANGES: dict[str, Any] = {
    "learning_rate": LinearSchedule(2e-3, 2e-4, until=0.4),
    "discriminator_learning_rate": LinearSchedule(2e-4, 5e-5, until=0.8),
    "actor_learning_rate": LinearSchedule(3e-4, 1e-4, until=0.8),
    "value_learning_rate": LinearSchedule(1e-3, 3e-4, until=0.8),
    "exploration_noise": LinearSchedule(0.3, 0.1, until=0.8),
    "actor_decay": 0.996,
    "batch_size": 32,
    "train_freq": 250,
    "pretrain_steps": 300,
    "kl_coef": 0.01,
    "reward_type": "probability",
    "ent_coef": 0.02,
    "information_limit": 0.5,
    "beta_step_size": 1e-5,
    "gradient_penalty": None,
    "policy_kwargs": {"code_dim": 64},
}
LAPTOP = {
    "CartpoleSwingup": TaskSettings(
        "CartpoleSwingup",
        {"image_size": 16, "supersample": 16, "frame_stack": 3, "camera": 1, "floor": False},
        112_000,
        "laptop",
        CARTPOLE_CHANGES,
        env_kwargs={"action_repeat": 8, "threads": 1},
        episode_steps=50,
        recording="CartpoleSwingup-8frames-stochastic",
        choose_every=500,
    ),
    "ReacherEasy": TaskSettings("ReacherEasy", LAPTOP_LOOK, 20_000, "laptop", {}),
    "CMaze": TaskSettings(
        "CMaze",
        {"image_size": 32, "start_noise": 0.04},
        5_000,
        "laptop",
        {"train_freq": 100},  # an episode
        env_kwargs={},
        n_stacked=1,
        floor=-50.0,
    ),
}
# one GPU; the paper's tasks. Four environments act, with the paper's 0.4 updates a decision.
DMC_CHANGES = {"train_freq": 125}
DMC = {
    "WalkerWalk": TaskSettings(
        "WalkerWalk", PAPER_LOOK, 200_000, "strong", DMC_CHANGES, n_envs=4, device="cuda"
    ),
    "CheetahRun": TaskSettings(
        "CheetahRun", PAPER_LOOK, 500_000, "strong", DMC_CHANGES, n_envs=4, device="cuda"
    ),
    "WalkerStand": TaskSettings(
        "WalkerStand", PAPER_LOOK, 200_000, "strong", DMC_CHANGES, 4, "cuda"
    ),
}
SUITES = {"laptop": LAPTOP, "dmc": DMC}

# changes are arguments of V-MAIL
VMAIL_METHODS: Mapping[str, Method] = {
    "VMAIL": Method(VMAIL),
    "BC": Method(BehaviouralCloning),
    "VMAIL-bottleneck": Method(
        VMAIL,
        {"information_limit": 0.5, "beta_step_size": 1e-5, "policy_kwargs": {"code_dim": 64}},
    ),
    "VMAIL-no-bottleneck": Method(
        VMAIL, {"information_limit": None, "policy_kwargs": {"code_dim": None}}
    ),
    "VMAIL-penalty": Method(VMAIL, {"gradient_penalty": "one_centered"}),
    "VMAIL-no-penalty": Method(VMAIL, {"gradient_penalty": None}),
    "VMAIL-log-d": Method(VMAIL, {"reward_type": "log_d"}),
    "VMAIL-probability": Method(VMAIL, {"reward_type": "probability"}),
    "VMAIL-logit": Method(VMAIL, {"reward_type": "logit"}),
    "VMAIL-gail": Method(VMAIL, {"reward_type": "gail"}),
    "VMAIL-sum": Method(VMAIL, {"returns": "sum"}),
    "VMAIL-cloning": Method(VMAIL, {"bc_coef": 2.0}),
    "VMAIL-stored-beliefs": Method(VMAIL, {"stored_beliefs": True}),
    "VDAC": Method(VDAC),
}


def vmail_arguments(settings: TaskSettings, method: str) -> dict[str, Any]:
    """Return the arguments of :class:`~sb3_vdb.VMAIL` for a task and a method.

    :param settings: of the task
    :param method: name in :data:`VMAIL_METHODS`
    :raises ValueError: the method is no form of V-MAIL, or the task has what it changes already
    """
    algorithm, changes = VMAIL_METHODS[method]
    if not issubclass(algorithm, VMAIL):
        forms = [name for name, each in VMAIL_METHODS.items() if issubclass(each.algorithm, VMAIL)]
        raise ValueError(f"{method} is no form of V-MAIL; choose from {', '.join(forms)}")
    own = _changed(preset(settings.preset), settings.changes)
    arguments = _changed(own, changes)
    before = {name: each.default for name, each in signature(VMAIL).parameters.items()} | own
    named = [name for name in changes if name != "policy_kwargs"]
    if named and all(before[name] == arguments[name] for name in named):
        raise ValueError(
            f"{method} is what VMAIL does on {settings.task} already, "
            f"{', '.join(f'{name}={arguments[name]}' for name in named)}; take another method"
        )
    return arguments


def _changed(arguments: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with others in their place; sizes of networks one by one."""
    sizes = {**arguments.get("policy_kwargs", {}), **changes.get("policy_kwargs", {})}
    return {**arguments, **changes, "policy_kwargs": sizes}
