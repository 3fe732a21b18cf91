"""The row BC of the motion table: a policy cloned from samples of an oracle (VDB paper, section
5.1), the policy that ships, which learned from DeepMimic's reward.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sb3_vdb.baselines import BehaviouralCloning
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation import evaluate_imitation
from sb3_vdb.experiments.framework.evaluations import EvaluationLog
from sb3_vdb.experiments.humanoid.training import EVALUATION_SEED, N_EPISODES, SEED_STRIDE
from sb3_vdb.experiments.motion_imitation.training import (
    EVALUATIONS,
    PHASE_SHIFTS,
    POLICY,
    MotionRun,
    Progress,
)
from sb3_vdb.pretrained import load_pretrained
from sb3_vdb.transitions import map_parts
from sb3_vdb.vec_env import make_vec_env

N_SAMPLES = 10_000  # of the oracle, as in the paper
N_UPDATES = 10_000
EPISODE = 600  # steps of a full episode


def clone_motion(run: MotionRun, progress: Progress | None = None) -> Path:
    """Clone the shipped policy of a skill from 10,000 of its samples.

    :param run: what to train and where
    :param progress: called with the samples and the evaluation
    :return: path of the policy
    :raises ValueError: no policy ships for the skill
    """
    final = run.folder / POLICY
    if final.exists():
        return final
    run.note_versions()
    oracle = load_pretrained(run.env_id)
    n = -(-N_SAMPLES // EPISODE)
    venv = make_vec_env(run.env_id, n, seed=SEED_STRIDE * run.seed, env_kwargs={"threads": 1})
    demonstrations = cut(Demonstrations.from_rollouts(oracle, venv, n, True), N_SAMPLES)
    log = EvaluationLog(run.folder / EVALUATIONS, "samples", 0)
    log.start()
    learner = BehaviouralCloning(venv, demonstrations, seed=run.seed, device="cpu")
    learner.learn(N_UPDATES)
    log.stop()
    test_venv = make_vec_env(
        run.env_id, N_EPISODES, EVALUATION_SEED, env_kwargs={"threads": 1}, every_step_infos=True
    )
    result = evaluate_imitation(learner, test_venv, phase_shifts=PHASE_SHIFTS)
    log.add(demonstrations.n_steps, **result._asdict())
    if progress is not None:
        progress(demonstrations.n_steps, result)
    learner.save(final)
    return final


def cut(demonstrations: Demonstrations, n_steps: int) -> Demonstrations:
    """Give the first steps of demonstrations.

    :param demonstrations: episodes with actions and rewards
    :param n_steps: how many steps at most, all episodes together
    """
    kept, left = [], n_steps
    for each in demonstrations:
        n = min(left, len(each))
        if n < 2:
            break
        assert each.actions is not None
        assert each.rewards is not None
        end = n + 1
        kept.append(
            replace(
                each,
                observations=map_parts(lambda part, end=end: part[:end], each.observations),
                actions=each.actions[:n],
                rewards=each.rewards[:n],
                terminal=each.terminal and n == len(each),
            )
        )
        left -= n
    return Demonstrations(kept)
