"""Pose errors in metres: at the same phase, and along the best alignment in time."""

import numpy as np
import pytest

from sb3_vdb import make_vec_env
from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.evaluation import evaluate_imitation
from sb3_vdb.evaluation.pose_errors import warped_error

RUN = "sb3_vdb/HumanoidRun-v0"


def swing(times):
    """Two joints; one swings, the other stays."""
    angle = 2 * np.pi * np.asarray(times)
    zero = np.zeros_like(angle)
    moving = np.stack([np.cos(angle), np.sin(angle), zero], axis=1)
    return np.stack([moving, np.stack([zero, zero, zero + 1.0], axis=1)], axis=1)


def slow(own, clip):
    """The definition, cell by cell."""
    costs = np.linalg.norm(own[:, None] - clip[None], axis=-1).mean(axis=-1)
    best = {}
    for i in range(len(own)):
        for j in range(len(clip)):
            ways = [best[k] for k in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if k in best]
            total, count = min(ways, key=lambda way: way[0]) if ways else (0.0, 0)
            best[i, j] = total + costs[i, j], count + 1
    total, count = best[len(own) - 1, len(clip) - 1]
    return total / count


def test_a_motion_that_is_late_is_right_after_warping():
    times = np.linspace(0.0, 2.0, 41)
    assert warped_error(swing(times), swing(times)) == 0.0
    stretched = np.concatenate([np.zeros(5), times[:-5]])
    late = np.linalg.norm(swing(stretched) - swing(times), axis=-1).mean()
    assert warped_error(swing(stretched), swing(times)) < 0.2 * late


def test_it_is_dynamic_time_warping():
    rng = np.random.default_rng(0)
    own, clip = rng.normal(size=(9, 3, 3)), rng.normal(size=(7, 3, 3))
    assert warped_error(own, clip) == pytest.approx(slow(own, clip))


def test_a_joint_that_is_moved_counts_by_its_distance():
    times = np.linspace(0.0, 0.2, 3)
    moved = swing(times) + np.array([[0.0, 0.0, 0.0], [0.0, 0.3, 0.0]])
    assert warped_error(moved, swing(times)) == pytest.approx(0.15, abs=1e-6)


def test_a_policy_is_measured_in_metres():
    pytest.importorskip("mujoco")
    venv = make_vec_env(RUN, 2, seed=0, every_step_infos=True)
    model = DeepMimicPPO(env=venv, n_steps=8, batch_size=16, device="cpu", seed=0)
    result = evaluate_imitation(model, venv, pose_errors=True)
    assert 0.0 < result.pose_error_warped <= result.pose_error < 0.5
    venv.reset()
    (positions, *_) = venv.env_method("joint_positions", indices=[0])
    assert positions.shape == (2, 2, 15, 3)
    np.testing.assert_allclose(positions[0], positions[1], atol=1e-9)  # the clip's pose at first
