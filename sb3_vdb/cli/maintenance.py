"""What ``sb3-vdb maintain`` runs: tools for developers of the package, which write files that the
repository holds. A new one is a function in ``sb3_vdb.experiments`` and a row here.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from sb3_vdb.cli import options
from sb3_vdb.cli.studies import Study
from sb3_vdb.experiments.framework.job import BACKENDS

RELIABILITY_PARTS = ("kills", "damage", "not-finite", "memory", "drawn", "seeds")


def _pictures(function: str, text: str) -> Study:
    """Make the row of pictures for the documentation."""
    out = options.out("docs/images", "folder of the pictures")
    return Study(f"documentation_pictures:{function}", f"{text}, for the documentation.", [out])


TOOLS: Mapping[str, Study] = {
    "killed-workers": Study(
        "killed_workers:killed_workers",
        "What studies lose when their workers are killed.",
        [
            options.several("--backend", "backends", "both by default", click.Choice(BACKENDS)),
            options.out("runs/killed-workers"),
            options.docs(),
            options.n_workers(),
        ],
    ),
    "reliability": Study(
        "reliability.study:reliability",
        "What holds when processes are killed, files damaged and numbers not finite; about a "
        "quarter of an hour on one core.",
        [
            options.several("--part", "parts", "all by default", click.Choice(RELIABILITY_PARTS)),
            options.out("runs/reliability"),
            options.docs("folder of the documentation, whose page is written"),
            options.share(),
        ],
    ),
    "results": Study(
        "results.command:results",
        "Make summaries, tables of pages and the page of results anew of the committed csv files.",
        [click.Option(["--root"], type=options.PATH, default=".", help="folder of the checkout")],
    ),
    "ship-policies": Study(
        "humanoid.study:ship_policies",
        "The best policy of every skill goes into the package.",
        [options.out("runs/humanoid", "run folder of `reproduce humanoid`")],
    ),
    "ship-motions": Study(
        "motion_imitation.shipping:ship_motions",
        "The best policy of every skill that VAIL learned from its clip goes into the package.",
        [options.out("runs/motion-imitation", "run folder of `reproduce motion-imitation`")],
    ),
    "ship-videos": Study(
        "video_imitation.shipping:ship_videos",
        "The best policy of every skill that VAIL learned from frames goes into the package.",
        [options.out("runs/video-imitation", "run folder of `reproduce video-imitation`")],
    ),
    "datasheets": Study(
        "datasheets:datasheets",
        "Datasheets of the recordings, policies and clips that come with the package.",
        [
            click.Option(
                ["--records"],
                type=options.PATH,
                default="docs/benchmarks",
                show_default=True,
                help="folder of the committed tables",
            ),
            click.Option(
                ["--page"],
                type=options.PATH,
                default="docs/shipped_files.md",
                show_default=True,
                help="page of the documentation",
            ),
        ],
    ),
    "humanoid-pictures": _pictures("humanoid", "Joints and clips of the humanoid"),
    "foreign-videos": Study(
        "foreign_videos:foreign_videos",
        "A video of the run by MuJoCo's renderer, and what its camera and colours change.",
        [options.out("docs/benchmarks/video-imitation", "folder of video, table and picture")],
    ),
    "biped-pictures": _pictures("biped", "Frames of the planar biped"),
    "pixel-pictures": _pictures("pixel_presets", "Rendering presets of the pixel environments"),
    "hand-pictures": _pictures("hands", "Claw and hand"),
    "racing-pictures": _pictures("racing", "What is observed of a race, and what the game shows"),
    "maze-pictures": _pictures("mazes", "Top views of all mazes"),
}
