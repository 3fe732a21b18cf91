"""Learning from what is stored: offline, with the replay buffer on disk, and without OpenGL."""

import os
import subprocess
import sys

import pytest
import torch as th

from sb3_vdb import VMAIL
from tests.vmail.small import Dot, make_demonstrations, make_model


def test_offline_training_goes_on_exactly_without_an_environment(tmp_path):
    whole = make_model()
    whole.learn_offline(3)
    whole.save(tmp_path / "model.zip")
    whole.save_replay_buffer(tmp_path / "replay.npz")
    whole.learn_offline(3)
    second = VMAIL.load(tmp_path / "model.zip", device="cpu")
    second.load_replay_buffer(tmp_path / "replay.npz")
    second.learn_offline(3)
    states = [each.policy.state_dict() for each in (whole, second)]
    assert all(th.equal(states[0][name], states[1][name]) for name in states[0])


def test_schedules_move_in_offline_training():
    seen = []
    model = make_model(expert_fraction=lambda progress: seen.append(progress) or 0.5)
    model.learn_offline(4, log_interval=2)
    assert {0.5, 1.0} <= set(seen)


def test_offline_training_takes_no_step_in_the_environment():
    class Untouchable(Dot):
        def reset(self, **_):
            raise AssertionError("the environment was reset")

        def step(self, _):
            raise AssertionError("the environment was stepped")

    model = make_model(env=Untouchable())
    before = [each.clone() for each in model.policy.actor.parameters()]
    model.learn_offline(6, log_interval=4)
    assert model.num_timesteps == 0
    assert model._n_updates == 6
    assert not all(map(th.equal, before, model.policy.actor.parameters()))


def test_stored_episodes_of_policies_are_learnt_from_and_not_imitated():
    model = make_model()
    model.add_episodes(make_demonstrations(n=3, length=10))
    assert [length for _, length in model.replay_buffer.policy.episodes] == [11, 11, 11]
    assert len(model.replay_buffer.expert.episodes) == 2
    model.learn_offline(1)
    with pytest.raises(ValueError, match="fewer than `sequence_length` 5"):
        model.add_episodes(make_demonstrations(n=1, length=3))
    with pytest.raises(ValueError, match="302 observations, `buffer_size` is 200"):
        model.add_episodes(make_demonstrations(n=1, length=301))
    with pytest.raises(ValueError, match="`log_interval` must be a whole number from 1 on, got 0"):
        model.learn_offline(1, log_interval=0)


@pytest.mark.parametrize("parts", [False, True], ids=["file", "folder"])
def test_a_replay_buffer_on_disk_trains_and_goes_on_exactly(parts, tmp_path):
    places = {"replay_place": "disk", "replay_folder": str(tmp_path / "mapped")}
    whole = make_model(**places)
    whole.learn(26)
    memory = make_model()
    memory.learn(26)
    assert whole.replay_buffer.place.name == "disk"
    pairs = zip(whole.policy.parameters(), memory.policy.parameters(), strict=True)
    assert all(th.equal(one, other) for one, other in pairs)
    whole.save_replay_buffer(tmp_path / "replay", parts=parts)
    whole.save(tmp_path / "model")
    whole.learn_offline(2)
    second = VMAIL.load(tmp_path / "model", device="cpu")
    second.load_replay_buffer(tmp_path / "replay")
    assert second.replay_buffer.place.name == "disk"
    second.learn_offline(2)
    pairs = zip(whole.policy.parameters(), second.policy.parameters(), strict=True)
    assert all(th.equal(one, other) for one, other in pairs)


def test_training_from_stored_pixels_needs_no_opengl(tmp_path):
    make_demonstrations().save(tmp_path / "demos.npz")
    code = (
        "from tests.vmail.small import make_model; from sb3_vdb import Demonstrations;"
        f"make_model(demonstrations=Demonstrations.load({str(tmp_path / 'demos.npz')!r}))"
        ".learn_offline(1); import sys;"
        "assert 'OpenGL' not in sys.modules"
    )
    environment = {**os.environ, "MUJOCO_GL": "disabled"}
    run = [sys.executable, "-c", code]
    result = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
