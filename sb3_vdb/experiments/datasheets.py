"""Datasheets of the files that come with the package: recordings, policies and motion clips. Their
numbers are the files' own and those of the committed records of their training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from sb3_vdb import pretrained
from sb3_vdb.demonstrations import recording
from sb3_vdb.environments import environment
from sb3_vdb.experiments.humanoid.table import SIMULATOR_ROWS, best_seed
from sb3_vdb.experiments.motion_imitation.shipping import SHIPPED_METHOD, SUFFIX
from sb3_vdb.experiments.video_imitation.shipping import SHIPPED_LABEL
from sb3_vdb.experiments.vmail.settings import FRAMES_A_DECISION
from sb3_vdb.files import write_text
from sb3_vdb_envs.humanoid import MotionClip
from sb3_vdb_envs.humanoid.clips import FOLDER as CLIPS

CLIP_SHEET = CLIPS / "SOURCES.md"
HEADING = "## Datasheet\n"  # what follows it in a Markdown file is written by the command
PAGE = """# Shipped files

For those who want to know where the data that comes with the package was made, and whether a copy
is intact. Each table also lies next to its file in the package (for the motion clips, in
`SOURCES.md` with their licences). Written by `sb3-vdb maintain datasheets`.
"""
OURS = "MIT, as the package"
VIDEO = "Video"  # at the end of the names of what learned from frames


def datasheets(records: Path, page: Path) -> list[Path]:
    """Write the datasheet of every shipped file next to it, and a page with all of them.

    :param records: folder of the committed tables, ``docs/benchmarks``
    :param page: Markdown file of the documentation
    :return: the files
    """
    texts = all_datasheets(records)
    written = []
    for path, text in texts.items():
        sheet = sheet_of(path)
        before = sheet.read_text().partition(HEADING)[0] if sheet.exists() else f"# {path.stem}"
        write_text(sheet, f"{before.rstrip()}\n\n{HEADING}\n{text}")
        written.append(sheet)
    names = {CLIPS: "Motion clips"}
    sections = [f"\n## {names.get(path, path.name)}\n\n{text}" for path, text in texts.items()]
    write_text(page, PAGE + "".join(sections))
    return [*written, page]


def sheet_of(path: Path) -> Path:
    """Return the Markdown file that holds the datasheet of a shipped file, or of the clips."""
    return CLIP_SHEET if path == CLIPS else path.with_suffix(".md")


def all_datasheets(records: Path) -> dict[Path, str]:
    """Make the datasheet of every recording and policy, and that of all clips, by their paths.

    :param records: folder of the committed tables
    """
    recordings = sorted(recording.SHIPPED.glob("*.npz"))
    policies = sorted(pretrained.FOLDER.glob("*.pt"))
    return {
        **{path: _recording(path, records) for path in recordings},
        **{path: _policy(path, records) for path in policies},
        CLIPS: _clips(),
    }


def sha256(path: Path) -> str:
    """Compute the hash that tells whether a copy is intact, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _recording(path: Path, records: Path) -> str:
    """Make the datasheet of a recording."""
    made = recording.load(path)
    row = environment(made.env_id)
    assert row is not None
    returns, steps = made.returns, sum(len(each.actions) for each in made.episodes)
    seeds = sorted(each.seed for each in made.episodes)
    if row.scripted_expert is not None:
        expert = {"expert": f"scripted, `{row.scripted_expert.partition(':')[2]}`"}
    else:
        task, repeat = made.env_kwargs["task"], made.env_kwargs["action_repeat"]
        expert = _sac_expert(task, repeat, path.stem.endswith("-stochastic"), records)
    return _table(
        path,
        {
            "source": f"`{made.env_id}`: physics states, actions and rewards; pictures are "
            "rendered from them",
            "licence": OURS,
            **expert,
            "arguments": f"`{json.dumps(made.env_kwargs)}`",
            "episodes": f"{len(returns)} of {steps // len(returns)} steps, environment seeds "
            f"{seeds[0]} to {seeds[-1]}",
            "return": f"mean {returns.mean():.1f}, standard deviation {returns.std():.1f}, "
            f"lowest {returns.min():.1f}, highest {returns.max():.1f}",
            "recorded with": _versions(made.versions) or "the package alone",
        },
    )


def _sac_expert(task: str, repeat: int, stochastic: bool, records: Path) -> dict[str, str]:
    """Describe the SAC expert of a task by the record of its training."""
    folder, prefix = records / "experts", f"{task}-{repeat}frames"
    if repeat == FRAMES_A_DECISION:
        table, versions = folder / "experts.csv", folder / "versions.json"
    else:
        table, versions = folder / f"{prefix}.csv", folder / f"{prefix}-versions.json"
    rows = pd.read_csv(table)
    run = rows[rows["task"] == task].iloc[0]
    command = f"sb3-vdb reproduce experts --task {task}"
    if repeat != FRAMES_A_DECISION:
        command += f" --action-repeat {repeat}"
    return {
        "expert": f"SAC on states, acting {'with' if stochastic else 'without'} its noise, trained "
        f"with seed 0 for {run['frames']:,} frames to a return of {run['return']} ± {run['std']} "
        "without noise",
        "made by": f"`{command}{' --stochastic' if stochastic else ''} --demos ...`",
        "trained with": _versions(json.loads(versions.read_text())),
    }


def _policy(path: Path, records: Path) -> str:
    """Make the datasheet of a policy, by the table of motions."""
    is_learned = path.stem.endswith(SUFFIX)
    name = path.stem.removesuffix(SUFFIX)
    skill, folder = name.removeprefix("Humanoid"), "motion-imitation" if is_learned else "humanoid"
    command, label = "ship-motions" if is_learned else "ship-policies", SHIPPED_METHOD
    if is_video := name.endswith(VIDEO):
        skill, folder = name.removeprefix("Biped").removesuffix(VIDEO), "video-imitation"
        command, label = "ship-videos", SHIPPED_LABEL
    table = pd.read_csv(records / folder / "table.csv")
    if is_learned:
        table = table[table["method"] == label]
    seed, where = best_seed(table, skill), SIMULATOR_ROWS[0].name
    rows = table[(table["skill"] == skill) & (table["seed"] == seed)]
    run = rows[rows["simulator"] == where].iloc[0]
    versions = json.loads((records / folder / "versions.json").read_text())
    row = environment(f"sb3_vdb/{name}-v0")
    assert row is not None
    return _table(
        path,
        {
            "source": f"`DeepMimicPPO` in `{row.id}`, on "
            + ("VAIL's reward" if is_learned else "DeepMimic's hand-made reward"),
            "licence": f"{OURS}; the clip's is in the clips' datasheet",
            "expert": f"{'a video of ' if is_video else ''}the motion clip `{row.kwargs['clip']}`",
            "made by": f"`sb3-vdb reproduce {folder} --skill {skill}`, then "
            f"`sb3-vdb maintain {command}`",
            "seed": f"{seed}, the best of "
            f"{table.loc[table['skill'] == skill, 'seed'].nunique()} by its error",
            "trained for": f"{run['samples']:,} steps, {run['minutes']:.0f} minutes",
            "return": f"mean {run['episode_return']:.1f} over {run['episodes']} episodes of at "
            f"most 600 steps ({where}), {run['full_share']:.0%} of them to the end",
            "trained with": _versions(versions),
        },
    )


def _clips() -> str:
    """Make the one table of all motion clips."""
    lines = ["| file | frames | seconds | loops | sha256 |", "|---|---|---|---|---|"]
    for path in sorted(CLIPS.glob("*.txt")):
        clip = MotionClip.load(path)
        loops = "yes" if clip.loops else "no"
        lines.append(
            f"| `{path.name}` | {len(clip.frames.times)} | {clip.duration:.2f} | {loops} "
            f"| `{sha256(path)}` |"
        )
    return "\n".join(lines) + "\n"


def _table(path: Path, rows: Mapping[str, str]) -> str:
    """Write a table of two columns in Markdown, its last rows about the file itself."""
    file = {"size": f"{path.stat().st_size:,} bytes", "sha256": f"`{sha256(path)}`"}
    lines = [f"| {name} | {text} |" for name, text in {**rows, **file}.items()]
    return "\n".join([f"| file | `{path.name}` |", "|---|---|", *lines]) + "\n"


def _versions(versions: Mapping[str, str]) -> str:
    """Name packages with their versions."""
    kept = [name for name in versions if name not in ("processors", "sb3-vdb")]
    return ", ".join(f"{name} {versions[name]}" for name in kept)
