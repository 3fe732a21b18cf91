"""Speed of GAIL against that of the package ``imitation``."""

from __future__ import annotations

import contextlib
import io
import tempfile

import numpy as np
import pandas as pd

from sb3_vdb.adversarial import GAIL
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.experiments.speed.timing import Contender, compare, timed
from sb3_vdb.experiments.speed.trainers import TOTAL_STEPS, Generator, demonstrations

COMPARED = (
    Generator("SB3's PPO defaults, 4 updates of 1024", 256, 64, 10, 4, 1024),
    Generator("PPO of imitation's example, 8 updates of 1024", 256, 64, 5, 8, 1024),
    Generator("PPO with 4 epochs of 256, 8 updates of 1024", 256, 256, 4, 8, 1024),
)


def bench_imitation() -> pd.DataFrame:
    """Measure GAIL of ``imitation`` against ours: equal networks, batches, update counts,
    generators.
    """
    return pd.concat([_bench_imitation(generator) for generator in COMPARED])


def _bench_imitation(generator: Generator) -> pd.DataFrame:
    expert = demonstrations()

    def ours() -> float:
        trainer = generator.trainer(GAIL, expert)
        return timed(lambda: trainer.learn(TOTAL_STEPS))

    contenders = {
        "imitation 1.0.1 GAIL": _imitation(generator, expert),
        "PPO": generator.plain,
        "sb3_vdb GAIL": ours,
    }
    with contextlib.redirect_stderr(io.StringIO()):  # imitation shows a progress bar
        table = compare(contenders)
    table.insert(0, "generator", generator.name)
    return table


def _imitation(generator: Generator, expert: Demonstrations) -> Contender:
    """Train ``imitation``'s GAIL with the discriminator that ours has by default."""
    from imitation.algorithms.adversarial.gail import GAIL as ImitationGAIL
    from imitation.data.types import TrajectoryWithRew
    from imitation.rewards.reward_nets import BasicRewardNet
    from imitation.util import logger as imitation_logger
    from imitation.util.networks import RunningNorm

    theirs = [
        TrajectoryWithRew(
            obs=each.observations,
            acts=np.asarray(each.actions),
            infos=None,
            terminal=False,
            rews=np.asarray(each.rewards, dtype=float),
        )
        for each in expert
    ]

    def run() -> float:
        model = generator.ppo()
        net = BasicRewardNet(
            model.observation_space,
            model.action_space,
            normalize_input_layer=RunningNorm,
            hid_sizes=(64, 64),
        )
        with tempfile.TemporaryDirectory() as folder:
            trainer = ImitationGAIL(
                demonstrations=theirs,
                demo_batch_size=generator.demo_batch_size,
                venv=model.env,
                gen_algo=model,
                reward_net=net,
                n_disc_updates_per_round=generator.n_disc_updates,
                custom_logger=imitation_logger.configure(folder, format_strs=[]),
            )
            return timed(lambda: trainer.train(TOTAL_STEPS))

    return run
