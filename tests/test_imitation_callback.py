"""Evaluations of imitation during training, and the warning of policies that only survive."""

import warnings

import numpy as np
import pytest

from sb3_vdb import make_vec_env
from sb3_vdb.baselines import DeepMimicPPO
from sb3_vdb.evaluation import ImitationCallback, ImitationResult
from sb3_vdb.evaluation import imitation_callback as module

RUN = "sb3_vdb/HumanoidRun-v0"


def result(full_share, alive, shifted, shift=0.375):
    errors = dict.fromkeys(("joint_error_with_root", "joint_error_weighted"), alive)
    return ImitationResult(
        joint_error=alive,
        **errors,
        joint_error_alive=alive,
        length=600 * full_share,
        full_share=full_share,
        root_speed=3.0,
        episode_return=100.0,
        diverged=0,
        episodes=32,
        joint_error_shifted=shifted,
        phase_shift=shift,
    )


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        (result(1.0, 0.54, 0.32), r"0\.32 with the clip shifted by 0\.38 .* lost the time"),
        (result(0.9, 0.53, 0.48), "staying up is paid and the motion is not"),
        (result(1.0, 0.15, 0.15), None),  # imitates
        (result(0.1, 0.54, 0.32), None),  # falls
    ],
)
def test_a_policy_that_survives_and_does_not_imitate_is_told(measured, message):
    found = module.survives_without_imitating(measured)
    if message is None:
        assert found is None
    else:
        with pytest.warns(UserWarning, match=message):
            warnings.warn(found, stacklevel=1)


def test_it_logs_warns_once_and_evaluates_the_same_episodes(monkeypatch, tmp_path):
    pytest.importorskip("mujoco")
    seeds = []

    def measure(model, venv, phase_shifts):
        seeds.append(venv._seeds[0] if hasattr(venv, "_seeds") else None)
        return result(1.0, 0.54, 0.32)

    monkeypatch.setattr(module, "evaluate_imitation", measure)
    model = DeepMimicPPO(
        env=make_vec_env(RUN, 4, seed=0), n_steps=8, batch_size=16, n_epochs=1, device="cpu"
    )
    callback = ImitationCallback(make_vec_env(RUN, 2, every_step_infos=True), every=32, seed=7)
    with pytest.warns(UserWarning, match="survives and does not imitate") as caught:
        model.learn(96, callback=callback)
    assert len([each for each in caught if "survives" in str(each.message)]) == 1
    assert callback.result.full_share == 1.0
    assert len(seeds) == 3


def test_the_real_measurement_is_logged():
    pytest.importorskip("mujoco")
    model = DeepMimicPPO(
        env=make_vec_env(RUN, 4, seed=0), n_steps=8, batch_size=16, n_epochs=1, device="cpu"
    )
    callback = ImitationCallback(make_vec_env(RUN, 2, every_step_infos=True), every=1_000)
    model.learn(32, callback=callback)
    assert np.isfinite(callback.result.joint_error_shifted)


@pytest.mark.parametrize("name", ["every", "phase_shifts"])
def test_numbers_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a whole number from 1 on, got 0"):
        ImitationCallback(None, **{name: 0})
