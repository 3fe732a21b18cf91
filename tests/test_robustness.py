"""Pushes and other plants: the physics are right, and what a policy bears is counted."""

import numpy as np
import pytest

from sb3_vdb import make_vec_env
from sb3_vdb.evaluation.robustness import evaluate_plants, evaluate_pushes
from sb3_vdb.pretrained import load_pretrained

pytest.importorskip("mujoco")
RUN = "sb3_vdb/HumanoidRun-v0"
STILL = np.zeros((3, 28), np.float32)


def velocity(venv):
    return venv.get_attr("batch")[0].characters[0].root_velocity


def after_a_step(force):
    venv = make_vec_env(RUN, 3, seed=0, env_kwargs={"fall": "none"})
    venv.reset()
    if force:
        venv.env_method("push", np.tile([0.0, force, 0.0], (3, 1)), indices=[0])
    venv.step(STILL)
    return venv


def momentum(venv):
    state, _ = venv.get_attr("batch")[0].characters
    from sb3_vdb_envs.humanoid.kinematics import forward_kinematics

    return 45.0 * forward_kinematics(state).centre_of_mass_velocity()


def test_a_push_gives_its_impulse_and_lasts_one_step():
    """In flight and on the ground alike, but for what friction takes: at most the impulse."""
    gained = momentum(after_a_step(300.0))[:, 1] - momentum(after_a_step(0.0))[:, 1]
    assert (gained > 0.0).all()
    assert gained.max() == pytest.approx(300.0 / 30, rel=0.1)
    venv, other = after_a_step(300.0), after_a_step(300.0)
    other.env_method("push", np.zeros((3, 3)), indices=[0])
    np.testing.assert_allclose(venv.step(STILL)[0], other.step(STILL)[0], atol=1e-6)


def test_a_heavier_character_falls_as_fast_and_is_pushed_less():
    speeds = []
    for scale in (1.0, 2.0):
        venv = make_vec_env(RUN, 3, seed=0, env_kwargs={"fall": "none", "mass_scale": scale})
        venv.reset()
        before = momentum(venv)[:, 1]
        venv.env_method("push", np.tile([0.0, 3000.0, 0.0], (3, 1)), indices=[0])
        venv.step(STILL)
        speeds.append(((momentum(venv)[:, 1] - before) / 45.0).mean())
    assert speeds[1] == pytest.approx(speeds[0] / 2, rel=0.2)


def test_the_shipped_runner_bears_small_pushes_and_no_enormous_ones():
    policy = load_pretrained(RUN)
    none, small, enormous = evaluate_pushes(policy, RUN, (0.0, 30.0, 3000.0), n=4)
    assert none.survived == 1.0
    assert small.survived >= 0.5
    assert enormous.survived == 0.0
    assert none.episodes == 4


def test_other_plants_are_measured_by_name():
    policy = load_pretrained(RUN)
    plants = {"as trained": {}, "ice": {"friction_scale": 0.05}}
    results = evaluate_plants(policy, RUN, plants, n=2, env_kwargs={"max_episode_steps": 60})
    assert results["as trained"].length == 60
    assert results["ice"].joint_error > results["as trained"].joint_error


@pytest.mark.parametrize("name", ["mass_scale", "friction_scale"])
def test_scales_that_make_no_sense_are_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be positive, got 0"):
        make_vec_env(RUN, 2, env_kwargs={name: 0.0})


def test_pushes_of_another_shape_are_refused():
    venv = make_vec_env(RUN, 2)
    venv.reset()
    with pytest.raises(ValueError, match=r"`forces` must be finite and of shape \(2, 3\)"):
        venv.env_method("push", np.zeros(3), indices=[0])


def test_bullet_is_not_perturbed():
    pytest.importorskip("pybullet")
    import gymnasium as gym

    with pytest.raises(ValueError, match="are for MuJoCo"):
        gym.make("sb3_vdb/BulletHumanoidRun-v0", mass_scale=1.1)
