"""The studies that ``sb3-vdb reproduce`` runs: what a reader of the papers wants. A new one is a
folder in ``sb3_vdb.experiments`` and a row here; what only developers run is a row of
:mod:`sb3_vdb.cli.maintenance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from sb3_vdb.cli import options
from sb3_vdb.cli.ids import known_id
from sb3_vdb.experiments.control_tasks.settings import ROWS as CONTROL_ROWS
from sb3_vdb.experiments.control_tasks.settings import TASKS as CONTROL_TASKS
from sb3_vdb.experiments.maze_transfer.presets import MAZE_PRESETS
from sb3_vdb.experiments.maze_transfer.settings import MAZE_METHODS, MAZES
from sb3_vdb.experiments.maze_transfer.variations import VARIATIONS
from sb3_vdb.experiments.motion_imitation.settings import METHODS as MOTION_METHODS
from sb3_vdb.experiments.tuning.settings import TASKS as TUNING_TASKS
from sb3_vdb.experiments.video_imitation.settings import METHODS as VIDEO_METHODS
from sb3_vdb.experiments.vmail.settings import SUITES, VMAIL_METHODS
from sb3_vdb.experiments.vmail_probe.settings import GROUPS as PROBE_GROUPS
from sb3_vdb.experiments.vmail_probe.settings import VARIANTS as PROBE_VARIANTS

AGAIN = "Running it again continues what is missing."
MAZE_OPTION = options.several("--maze", "mazes", "both by default", click.Choice(MAZES))


class Study(NamedTuple):
    """A study on the command line.

    :param run: its function, ``"module:function"`` in ``sb3_vdb.experiments``, imported when it is
        run; it takes what :func:`~sb3_vdb.cli.options.study_arguments` makes of the options, and
        may return a list of paths, which are printed
    :param help: what it is
    :param options: its options
    :param ids: ids of environments that arguments name, by option, with ``{}`` for the name
    """

    run: str
    help: str
    options: list[click.Option]
    ids: Mapping[str, str] = {}

    def arguments(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of the function.

        :param values: of the options
        :raises click.BadParameter: an argument names an environment that is not registered
        """
        arguments = options.study_arguments(values)
        for option in self.options:
            if option.opts[0] in self.ids:
                for value in arguments[str(option.name)]:
                    known_id(self.ids[option.opts[0]].format(value), option.opts[0])
        return arguments


def _vmail(suite: str, text: str, n_workers: int | None) -> Study:
    """Make the row of a suite of tasks."""
    several, choice = options.several, click.Choice
    return Study(
        f"vmail.study:{suite}",
        f"{text} {AGAIN}",
        [
            several("--task", "tasks", "as in the ids; all by default", choice([*SUITES[suite]])),
            several("--method", "methods", "[default: VMAIL and BC]", choice([*VMAIL_METHODS])),
            several("--demonstrations", "n_demonstrations", "[default: 10]", click.IntRange(1, 10)),
            options.number("--frames", None, "frames of a run  [default: the task's]", least=1000),
            click.Option(["--device"], help="of the networks  [default: the task's]"),
            *options.table(3, f"runs/vmail-{suite}", default_workers=n_workers),
        ],
    )


STUDIES: Mapping[str, Study] = {
    "maze-transfer": Study(
        "maze_transfer.study:transfer",
        "The paper's table of inverse RL: a reward learned in one maze trains policies in its "
        f"flip. {AGAIN}",
        [
            click.Option(
                ["--preset"],
                default="paper",
                show_default=True,
                type=click.Choice(list(MAZE_PRESETS)),
                help="see the documentation",
            ),
            MAZE_OPTION,
            options.several("--method", "methods", "all by default", click.Choice([*MAZE_METHODS])),
            options.number(
                "--snapshot-seeds", 0, "seeds that also retrain on snapshots of the reward", 0
            ),
            options.share(),
            *options.table(5, None, "run folder  [default: runs/maze-transfer-<preset>]"),
        ],
    ),
    "maze-ablation": Study(
        "maze_transfer.study:ablation",
        f"What of a preset matters: one thing changed at a time. {AGAIN}",
        [
            click.Option(
                ["--preset"],
                default="best",
                show_default=True,
                type=click.Choice(list(VARIATIONS)),
                help="best: what of it matters; paper: what its text leaves open; authors-code: "
                "what AIRL fails by",
            ),
            MAZE_OPTION,
            options.several(
                "--variation", "variations", "only those whose names contain this; all by default"
            ),
            options.share(),
            *options.table(5, None, "run folder  [default: runs/maze-ablation-<preset>]"),
        ],
    ),
    "control-tasks": Study(
        "control_tasks.study:control_tasks",
        "Standard tasks of control from ten episodes of an expert: GAIL, VAIL, DAC, SQIL and "
        f"cloning; in the second stack also GAIL of imitation. {AGAIN}",
        [
            options.several(
                "--task",
                "tasks",
                "[default: Pendulum, InvertedPendulum and Hopper]",
                click.Choice([*CONTROL_TASKS]),
            ),
            options.several("--method", "methods", "all by default", click.Choice([*CONTROL_ROWS])),
            *options.table(5, "runs/control-tasks"),
        ],
    ),
    "humanoid": Study(
        "humanoid.study:motions",
        "Motions from DeepMimic's hand-made reward: joint rotation errors in both simulators. "
        f"{AGAIN}",
        [
            options.several("--skill", "skills", "Run, Walk, Backflip, ... as in the ids"),
            options.number("--samples", 4_000_000, "environment steps of a run"),
            *options.table(3, "runs/humanoid"),
        ],
        ids={"--skill": "sb3_vdb/Humanoid{}-v0"},
    ),
    "motion-imitation": Study(
        "motion_imitation.study:motion_imitation",
        "Motions from a clip alone: VAIL, its relatives and DeepMimic's reward at one budget. "
        f"{AGAIN}",
        [
            options.several("--skill", "skills", "[default: Run and Walk]"),
            options.several(
                "--method", "methods", "[default: VAIL-difference]", click.Choice([*MOTION_METHODS])
            ),
            options.number("--samples", 3_000_000, "environment steps of a run"),
            *options.table(3, "runs/motion-imitation"),
        ],
        ids={"--skill": "sb3_vdb/Humanoid{}-v0"},
    ),
    "video-imitation": Study(
        "video_imitation.study:video_imitation",
        "A planar biped from frames alone: VAIL, GAIL, the pixels' reward and DeepMimic's at one "
        f"budget. {AGAIN}",
        [
            options.several("--skill", "skills", "Run, Walk or Jump  [default: Run]"),
            options.several(
                "--method", "methods", "[default: VAIL-difference]", click.Choice([*VIDEO_METHODS])
            ),
            click.Option(
                ["--random-start"],
                is_flag=True,
                help="begin episodes anywhere in the clip, whose states a video does not give",
            ),
            options.number("--samples", 2_000_000, "environment steps of a run"),
            *options.table(3, "runs/video-imitation"),
        ],
        ids={"--skill": "sb3_vdb/Biped{}Video-v0"},
    ),
    "motion-robustness": Study(
        "motion_imitation.robustness:robustness",
        "Pushes, other masses and other friction: what the policies of motion-imitation bear.",
        [
            options.several("--skill", "skills", "all that were trained by default"),
            options.out("runs/motion-imitation"),
            options.docs(),
        ],
        ids={"--skill": "sb3_vdb/Humanoid{}-v0"},
    ),
    "experts": Study(
        "experts.table:experts",
        f"SAC experts of dm_control tasks on states. {AGAIN}",
        [
            options.several("--task", "tasks", "WalkerWalk, CheetahRun, ... as in the ids"),
            options.seed(),
            options.number("--action-repeat", 2, "frames that an action lasts"),
            options.out("runs/experts"),
            click.Option(["--demos"], type=options.PATH, help="record demonstrations here"),
            options.flag("--stochastic", "record the policy with its noise"),
            options.docs(),
            *options.workers(),
        ],
        ids={"--task": "sb3_vdb/{}State-v0"},
    ),
    "vmail": _vmail(
        "laptop",
        "V-MAIL from demonstrations in pixels on two cores, next to behavioural cloning.",
        None,
    ),
    "vmail-dmc": _vmail(
        "dmc",
        "V-MAIL on the paper's dm_control tasks, on a GPU: the shipped demonstrations are all it "
        "needs.",
        1,
    ),
    "vmail-probe": Study(
        "vmail_probe.study:vmail_probe",
        "What V-MAIL's world model holds of the true state, now and five decisions ahead, by its "
        f"settings at equal seconds. {AGAIN}",
        [
            click.Option(
                ["--task"],
                default="WalkerWalk",
                show_default=True,
                type=click.Choice([*PROBE_GROUPS]),
                help="as in the ids",
            ),
            options.several(
                "--variant", "variants", "all by default", click.Choice([*PROBE_VARIANTS])
            ),
            click.Option(
                ["--seconds"],
                default=60.0,
                show_default=True,
                type=click.FloatRange(0, min_open=True),
                help="of the processor, for learning",
            ),
            *options.table(1, "runs/vmail-probe"),
        ],
    ),
    "tuning": Study(
        "tuning.table:tuning",
        "How fast the multiplier of the bottleneck has to move, and what healthy and sick runs "
        f"look like. {AGAIN}",
        [
            options.several("--task", "tasks", "all by default", click.Choice([*TUNING_TASKS])),
            options.several("--step-size", "step_sizes", "[default: 1e-5, 1e-3, 1e-2]", float),
            options.share(),
            *options.table(3, "runs/tuning"),
        ],
    ),
    "two-gaussians": Study(
        "two_gaussians:two_gaussians",
        "Discriminators between two Gaussians under different information limits (figure 2).",
        [options.out("runs/two-gaussians"), options.docs(), options.seed()],
    ),
}
