"""What the two papers claim, and which committed runs answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from sb3_vdb.experiments.humanoid.training import PAPER_JOINT_ERRORS
from sb3_vdb.experiments.maze_transfer.settings import MAZES, PAPER_RETURNS, SOLVED

State = Literal["beaten", "reproduced", "not reproduced", "not yet"]
STATES: tuple[State, ...] = ("beaten", "reproduced", "not reproduced", "not yet")
Rule = Literal["higher", "lower", "outcome", "said"]
EARLY_SAMPLES = 1_001_472  # of the last evaluation of runs of a million samples
METHOD_NAMES = {"VAIRL-beta0": "VAIRL, β = 0"}  # that pages call otherwise
BEST, TEXT, CODE = "preset `best`", "text", "released code"  # what the settings follow
MAZE_PAGES = {BEST: "maze-best", TEXT: "maze-paper", CODE: "maze-code"}


@dataclass(frozen=True)
class Answer:
    """Committed runs that answer a claim.

    :param file: csv with one row a run, below ``docs/benchmarks``
    :param rows: values that rows have, by column
    :param value: column of the result
    :param paper: the paper's mean and standard deviation, where it has them
    :param rule: how the state follows: ``"higher"`` or ``"lower"`` is better; ``"outcome"``, the
        method has to solve the maze, or to fail, as in the paper; ``"said"``, the claim says it
    :param threshold: from which on the maze is solved
    :param label: before the number, for example ``"C"``
    :param digits: decimal places; None for about three digits
    :param said: the state that the claim says
    """

    file: str
    rows: Mapping[str, Any]
    value: str
    paper: tuple[float, float] | None = None
    rule: Rule = "said"
    threshold: float = 0.0
    label: str = ""
    digits: int | None = None
    said: State = "reproduced"


@dataclass(frozen=True)
class Claim:
    """A row of the page.

    :param where: figure or table
    :param method: with what it was done on
    :param paper: the paper's value in words; empty where answers have it
    :param answers: runs; none for what has not been run, and where a text says it
    :param text: in place of numbers
    :param state: where there are no answers
    :param page: of the study, below ``docs``
    :param picture: below ``docs/images/results``
    :param headline: its short name in the README; empty if it is not there
    """

    where: str
    method: str
    paper: str = ""
    answers: Sequence[Answer] = ()
    text: str = ""
    state: State = "not yet"
    page: str = ""
    picture: str = ""
    headline: str = ""


def _transfer(
    method: str,
    rule: Rule,
    folder: str = "",
    settings: str = TEXT,
    said: State = "reproduced",
    **more: Any,
) -> Claim:
    """Return a row of the paper's Figure 7: the transfer of a method in each maze.

    :param folder: of the runs, with the paper's text by default
    :param settings: what the settings follow
    :param said: the state, if that is the rule
    :param more: of the claim
    """
    folder = f"maze-transfer{folder}"
    answers = [
        Answer(
            f"{folder}/table.csv",
            MappingProxyType({"maze": maze, "method": method}),
            "transfer_return",
            PAPER_RETURNS[method][maze],
            rule,
            SOLVED[maze],
            maze,
            said=said,
        )
        for maze in MAZES
    ]
    page = f"benchmarks/{MAZE_PAGES[settings]}.md"
    name = METHOD_NAMES.get(method, method)
    return Claim("Fig. 7", f"{name}, {settings}", "", answers, page=page, **more)


def _video(method: str, label: str, said: State) -> Answer:
    """Return the runs of a method of the video study, in which episodes began anywhere."""
    rows = {
        "method": f"{method}, begun anywhere",
        "skill": "Run",
        "simulator": "MuJoCo 1/240 s",
    }
    file = "video-imitation/table.csv"
    return Answer(file, MappingProxyType(rows), "joint_error", label=label, digits=3, said=said)


def _motion(skill: str, **more: Any) -> Claim:
    """Return a row of the paper's Table 1 for the hand-made reward."""
    answer = Answer(
        "humanoid/table.csv",
        MappingProxyType({"skill": skill, "simulator": "MuJoCo 1/240 s"}),
        "joint_error",
        (PAPER_JOINT_ERRORS[skill], 0.0),
        "lower",
        digits=3,
    )
    return Claim(
        "Table 1",
        f"DeepMimic's reward, {skill.lower()}",
        answers=[answer],
        page="benchmarks/humanoid.md",
        **more,
    )


def _learned(skill: str, paper: tuple[float, float]) -> Answer:
    """Return the error of a motion that was learned from the clip alone."""
    rows = {"skill": skill, "method": "VAIL-difference", "simulator": "MuJoCo 1/240 s"}
    return Answer(
        "motion-imitation/table.csv",
        MappingProxyType(rows),
        "joint_error",
        paper,
        "lower",
        digits=3,
    )


def _early(method: str, label: str = "", paper: tuple[float, float] | None = None) -> Answer:
    """Return the error of running after a million samples, of a method that learns from a clip."""
    rows = {"skill": "Run", "method": method, "simulator": "MuJoCo 1/240 s"}
    return Answer(
        "motion-methods/table.csv",
        MappingProxyType(rows),
        "joint_error",
        paper,
        "said" if paper is None else "lower",
        label=label,
        digits=2,
        said="not reproduced",
    )


def _accuracy(method: str, label: str) -> Answer:
    """Return the accuracy of a method's discriminator on the policy's samples, at the end."""
    rows = MappingProxyType({"method": method, "samples": EARLY_SAMPLES})
    return Answer("motion-methods/curves.csv", rows, "accuracy_generator", label=label, digits=2)


def _flatness(limit: str, label: str) -> Answer:
    """Return the share of the plane on which the discriminator gives no gradient."""
    rows = MappingProxyType({"information_limit": limit})
    return Answer("two-gaussians/two_gaussians.csv", rows, "flat_share", label=label, digits=2)


def _pixels(folder: str, method: str, n: int, said: State, label: str = "") -> Answer:
    """Return the share of the expert's return from so many demonstrations in pixels."""
    rows = MappingProxyType({"method": method, "demonstrations": n})
    return Answer(f"{folder}/runs.csv", rows, "share", label=label, digits=2, said=said)


VDB_CLAIMS: Sequence[Claim] = (
    Claim(
        "Fig. 2",
        "two Gaussians: a tighter limit smooths the discriminator",
        "a picture",
        [_flatness("none", "flat share, no limit:"), _flatness("0.5", "0.5 nats:")],
        page="benchmarks/two-gaussians.md",
        picture="two_gaussians.png",
    ),
    _transfer(
        "VAIRL-GP",
        "higher",
        "-best",
        BEST,
        picture="best.png",
        headline="rewards that transfer, VAIRL-GP",
    ),
    _transfer("GAIL", "outcome", picture="GAIL.png"),
    _transfer("VAIL", "outcome", picture="VAIL.png"),
    _transfer("AIRL", "outcome", picture="AIRL.png", headline="AIRL fails, settings of the text"),
    _transfer("AIRL-GP", "outcome", picture="AIRL-GP.png"),
    # the paper's is worse than VAIRL, ours is better
    _transfer("VAIRL-beta0", "said", said="not reproduced", picture="VAIRL-beta0.png"),
    _transfer("VAIRL", "higher", picture="VAIRL.png"),
    _transfer("VAIRL-GP", "higher", picture="VAIRL-GP.png"),
    _transfer(
        "AIRL",
        "outcome",
        "/authors-code",
        CODE,
        picture="AIRL-code.png",
        headline="AIRL fails, settings of the released code",
    ),
    _transfer("VAIRL", "higher", "/authors-code", CODE, picture="VAIRL-code.png"),
    _transfer("VAIRL-GP", "higher", "/authors-code", CODE, picture="VAIRL-GP-code.png"),
    Claim(
        "Fig. 14, 15",
        "maps of the recovered rewards",
        "pictures",
        text="maps of all seven methods in both mazes",
        state="reproduced",
        page="benchmarks/maze-paper.md",
    ),
    _motion("Run", picture="run.png", headline="run, DeepMimic's reward (rad)"),
    _motion("Dance", picture="dance.png"),
    _motion("Spinkick", picture="spinkick.png"),
    _motion("Cartwheel", picture="cartwheel.png"),
    _motion("Backflip", picture="backflip.png"),
    Claim(
        "Table 1, Fig. 3, 10",
        "VAIL-GP, run; here on differences to the clip",
        answers=[_learned("Run", (0.10, 0.01))],
        page="benchmarks/motions.md",
        headline="run, VAIL-GP, no hand-made reward (rad)",
    ),
    Claim("Table 1, Fig. 3, 4, 10", "VAIL and VAIL-GP, four other motions", "0.15 to 0.46 rad"),
    Claim(
        "Table 1, Fig. 4, 10",
        "run, as the paper has them, after 1 of its 60 million samples",
        "VAIL 0.13, VAIL-GP 0.10, GAIL 0.17, GAIL-GP 0.12, Merel et al. 0.52 rad",
        answers=[
            _early("VAIL", "VAIL:"),
            _early("VAIL-GP", "VAIL-GP:"),
            _early("GAIL", "GAIL:"),
            _early("GAIL-GP", "GAIL-GP:"),
            _early("Merel", "Merel et al.:"),
        ],
        page="benchmarks/motions.md",
    ),
    Claim(
        "Table 1",
        "run, cloned from 10,000 samples of an oracle",
        answers=[_early("BC", paper=(2.63, 0.0))],
        page="benchmarks/motions.md",
    ),
    Claim(
        "Table 1, Fig. 4, 10", "instance noise; Merel et al. on other motions", "0.14 to 2.61 rad"
    ),
    Claim("Fig. 11", "a phase-functioned discriminator", "curves"),
    Claim(
        "Fig. 12",
        "accuracy on the policy's motions, run",
        "about 80 % with the bottleneck",
        answers=[_accuracy("VAIL", "VAIL:"), _accuracy("GAIL", "GAIL:")],
        page="benchmarks/motions.md",
    ),
    Claim(
        "Fig. 5, 6",
        "biped from video: VAIL; here on differences to the video, begun anywhere in the clip",
        "it runs; no number",
        answers=[_video("VAIL-difference", "joint error (rad):", "reproduced")],
        page="benchmarks/videos.md",
        headline="a biped from video (rad)",
    ),
    Claim(
        "Fig. 5, 6",
        "the same: only VAIL runs, GAIL and the pixels' reward do not",
        "they do not run",
        answers=[
            _video("GAIL-difference", "GAIL with penalty:", "not reproduced"),
            _video("pixel reward", "pixels:", "reproduced"),
        ],
        page="benchmarks/videos.md",
    ),
    Claim(
        "Fig. 8, 9, 16", "VGAN, images of CIFAR-10", "FID 18.1 (VGAN-GP)", headline="images, VGAN"
    ),
    Claim("App. E, Fig. 17, 18", "VGAN, CelebA and CelebAHQ", "FID 7.25 (CelebA)"),
    Claim(
        "Theorem A.1",
        "codes under a limit keep a likelihood above a bound",
        "a proof",
        text="the bound holds in every drawn case, by a test",
        state="reproduced",
        page="equations.md",
    ),
)

VMAIL_CLAIMS: Sequence[Claim] = (
    Claim(
        "Fig. 3",
        "walker walk, cheetah run",
        "near the expert",
        headline="V-MAIL on the paper's tasks",
    ),
    Claim("Fig. 3", "car racing", "near the expert in 200,000 steps"),
    Claim("Fig. 3", "D'Claw, Baoding balls", "solved in 100,000 steps; partly"),
    Claim("Fig. 3", "DA-DAC and DA-SQIL", "unstable"),
    Claim(
        "Fig. 4", "walker and cheetah from 5 and 1 demonstrations", "little loss, but walker with 1"
    ),
    Claim(
        "Table 1",
        "transfer to walker walk",
        "92.7 % of the expert",
        headline="V-MAIL's transfer to a new task",
    ),
    Claim("Table 1", "transfer to claw rotate", "97.9 % of the expert"),
)

SMALL_CLAIMS: Sequence[Claim] = (
    Claim(
        "as Fig. 3",
        "V-MAIL, C-maze, 10 demonstrations",
        "near the expert",
        [_pixels("vmail-maze", "VMAIL", 10, "reproduced")],
        page="benchmarks/vmail-maze.md",
        picture="vmail-maze.png",
        headline="our small task: the C-maze in pixels (share of the expert)",
    ),
    Claim(
        "as Fig. 3",
        "V-MAIL, cart-pole swing-up, 10 demonstrations",
        "near the expert",
        [_pixels("vmail", "VMAIL", 10, "reproduced")],
        page="benchmarks/vmail-cartpole.md",
        picture="cartpole.png",
        headline="our small task: cart-pole swing-up in pixels (share of the expert)",
    ),
    Claim(
        "as Fig. 3",
        "cloning, cart-pole swing-up, 10 demonstrations",
        "below V-MAIL",
        [_pixels("vmail", "BC", 10, "reproduced")],
        page="benchmarks/vmail-cartpole.md",
    ),
    Claim(
        "as Fig. 4",
        "V-MAIL, C-maze, fewer demonstrations",
        "little loss",
        [_pixels("vmail-maze-fewer", "VMAIL", n, "reproduced", f"{n}:") for n in (5, 1)],
        page="benchmarks/vmail-maze.md",
    ),
    Claim(
        "as Fig. 4",
        "V-MAIL, cart-pole swing-up, fewer demonstrations",
        "little loss",
        [_pixels("vmail-fewer", "VMAIL-cloning", n, "not reproduced", f"{n}:") for n in (5, 1)],
        page="benchmarks/vmail-cartpole.md",
    ),
    Claim(
        "as Fig. 4",
        "VDAC, C-maze: the model as a representation alone",
        "needs 30 % more steps",
        [_pixels("vmail-maze-ablation", "VDAC", 10, "reproduced")],
        page="benchmarks/vmail-ablation.md",
    ),
)
