"""Demonstrations as seeds and actions: recorded, stored, played again, verified, refused."""

import logging

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner
from stable_baselines3 import SAC

from sb3_vdb import Demonstrations
from sb3_vdb.cli import main
from sb3_vdb.demonstrations import recording, reenactment
from sb3_vdb.experiments.experts.table import recording_name

pytest.importorskip("dm_control")
PIXELS, STATE = "sb3_vdb/ReacherEasyPixels-v0", "sb3_vdb/ReacherEasyState-v0"
SMALL = {"image_size": 16, "action_repeat": 10}  # 100 steps an episode


class Wave:
    """Acts by the clock, so that any observation will do."""

    def __init__(self, size=2):
        self.now, self.size = 0, size

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        self.now += 1
        return np.sin(0.1 * self.now + np.arange(self.size, dtype=np.float32))[None], None


@pytest.fixture(scope="module")
def made():
    return recording.record(Wave(), PIXELS, 2, seed=5, env_kwargs=SMALL)


def test_what_is_played_again_is_what_was_seen(made):
    env = gym.make(PIXELS, **SMALL)
    actor, expected = Wave(), [env.reset(seed=5)[0]]
    rewards = []
    for _ in range(100):
        observation, reward, *_ = env.step(actor.predict(expected[-1])[0][0])
        expected.append(observation)
        rewards.append(reward)
    first = reenactment.reenact(made)[0]
    np.testing.assert_array_equal(first.observations, expected)
    np.testing.assert_allclose(first.rewards, rewards, rtol=1e-6)
    assert first.observations.dtype == np.uint8
    assert not first.terminal
    assert first.action_repeat == 10


def test_a_file_is_small_and_lossless(made, tmp_path):
    path = recording.save(made, tmp_path / "reacher")
    assert path.stat().st_size < 2 * 12_000  # a picture of 64 x 64 alone has 12 kB
    read = recording.load(path)
    assert read.env_id == PIXELS
    assert SMALL.items() <= read.env_kwargs.items()
    assert read.env_kwargs["preset"] == "fast"
    assert set(read.versions) == {"dm_control", "mujoco"}
    for mine, theirs in zip(read.episodes, made.episodes, strict=True):
        assert mine.seed == theirs.seed
        for name in ("actions", "rewards", "states"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    assert read.episodes[0].states.shape == (100, 4)


def test_the_second_time_is_read_from_the_cache(made, tmp_path, monkeypatch):
    monkeypatch.setenv("SB3_VDB_CACHE", str(tmp_path / "cache"))
    path = recording.save(made, tmp_path / "reacher.npz")
    played = Demonstrations.from_recording(path, progress_bar=False)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    monkeypatch.setattr(reenactment, "reenact", lambda *args: 1 / 0)
    again = Demonstrations.from_recording(path, progress_bar=False)
    for mine, theirs in zip(again, played, strict=True):
        np.testing.assert_array_equal(mine.observations, theirs.observations)
    with pytest.raises(ZeroDivisionError):
        Demonstrations.from_recording(path, cache=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 64}, "`image_size` 16, the environment 64"),
        ({"action_repeat": 2}, "`action_repeat` 10, the environment 2"),
        ({"preset": "shadow"}, "`preset` 'fast', the environment 'shadow'"),
        ({"camera": 1}, "`camera` 0, the environment 1"),
        ({"frame_stack": 3}, "`frame_stack` 1, the environment 3"),
    ],
)
def test_an_environment_with_other_pictures_or_frames_is_refused(made, arguments, message):
    with pytest.raises(ValueError, match=message):
        reenactment.reenact(made, SMALL | arguments)


def test_the_same_arguments_pass_and_defaults_count(made):
    reenactment.reenact(made, SMALL | {"preset": "fast"})
    with pytest.raises(ValueError, match="`image_size` 16, the environment 64"):
        reenactment.reenact(made, {})
    with pytest.raises(ValueError, match="has no argument imgsize"):
        reenactment.reenact(made, {"imgsize": 3})
    with pytest.raises(ValueError, match="`task` 'ReacherEasy', the environment 'CheetahRun'"):
        reenactment.reenact(made, SMALL | {"task": "CheetahRun"})


def test_a_machine_that_rounds_differently_stays_on_the_recorded_states(made):
    """Every step a little off, as another processor's: pictures are those of the stored states."""
    states = made.episodes[0].states + 1e-6 * np.sin(np.arange(400)).reshape(100, 4)
    played = reenactment.reenact(changed_episode(made, states=states))
    expected = reenactment.reenact(made)
    differ = np.abs(played[0].observations.astype(int) - expected[0].observations).mean()
    assert differ < 0.5


def with_versions(made, **versions):
    return made._replace(versions=made.versions | versions)


def test_another_version_is_warned_of_and_verified(made, caplog):
    other = with_versions(made, mujoco="3.1.0")
    with caplog.at_level(logging.WARNING):
        played = reenactment.reenact(other)
    assert "mujoco 3.1.0" in caplog.text
    assert len(played) == 2


def changed_episode(made, **changes):
    first = made.episodes[0]._replace(**changes)
    return made._replace(episodes=(first, *made.episodes[1:]))


def test_a_reenactment_that_departs_is_refused_with_step_and_remedy(made):
    rewards = made.episodes[0].rewards.copy()
    rewards[41] += 0.5
    with pytest.raises(ValueError, match=r"episode 0, step 42: the reward is .* record it again"):
        reenactment.reenact(changed_episode(made, rewards=rewards))
    states = made.episodes[0].states.copy()
    states[99] += 0.1
    departed = changed_episode(made, states=states)
    with pytest.raises(ValueError, match=r"step 100: the physics state differs by 0\.1"):
        reenactment.reenact(departed)
    with pytest.raises(ValueError, match=r"install the versions it was made with \(mujoco==3\.1"):
        reenactment.reenact(with_versions(departed, mujoco="3.1.0"))


def test_an_episode_of_another_length_is_refused(made):
    actions = made.episodes[0].actions
    with pytest.raises(ValueError, match="ends at step 100 here, and after 150"):
        reenactment.reenact(
            changed_episode(
                made,
                actions=np.concatenate([actions, actions[:50]]),
                rewards=np.tile(made.episodes[0].rewards, 2)[:150],
                states=np.tile(made.episodes[0].states, (2, 1))[:150],
            )
        )


def test_a_stack_of_pictures_survives_another_machines_rounding():
    made = recording.record(Wave(), PIXELS, 1, env_kwargs={**SMALL, "frame_stack": 2})
    states = made.episodes[0].states + 1e-9
    played = reenactment.reenact(changed_episode(made, states=states))[0].observations
    np.testing.assert_array_equal(played[1:, ..., :3], played[:-1, ..., 3:])


def test_files_that_are_no_recordings_are_refused(made, tmp_path):
    path = recording.save(made, tmp_path / "reacher.npz")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="truncated, damaged"):
        recording.load(path)
    Demonstrations.from_arrays([np.zeros((3, 2), np.float32)]).save(tmp_path / "arrays.npz")
    with pytest.raises(ValueError, match=r"Demonstrations\.load reads"):
        recording.load(tmp_path / "arrays.npz")
    with pytest.raises(FileNotFoundError):
        recording.load(tmp_path / "nowhere.npz")


def test_a_damaged_or_unwritable_cache_does_no_harm(made, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("SB3_VDB_CACHE", str(tmp_path / "cache"))
    path = recording.save(made, tmp_path / "reacher.npz")
    Demonstrations.from_recording(path, progress_bar=False)
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(b"half a file")
    assert len(Demonstrations.from_recording(path, progress_bar=False)) == 2
    assert "is damaged" in caplog.text
    monkeypatch.setenv("SB3_VDB_CACHE", "/proc/nowhere")
    assert len(Demonstrations.from_recording(path, progress_bar=False)) == 2
    assert "cannot be kept" in caplog.text


def test_recurrent_and_discrete_policies_are_recorded_as_they_act():
    class Counting:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            assert episode_start.tolist() == [state is None]
            count = 0 if state is None else state + 1
            return np.array([count % 2]), count

    made = recording.record(Counting(), "CartPole-v1", 1)
    actions = made.episodes[0].actions
    np.testing.assert_array_equal(actions, np.arange(len(actions)) % 2)
    assert len(reenactment.reenact(made)[0]) == len(actions)


def test_actions_are_stored_as_executed():
    class Strong:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            return np.array([[5.0, -0.5]], np.float32), None

    made = recording.record(Strong(), PIXELS, 1, env_kwargs=SMALL)
    np.testing.assert_array_equal(made.episodes[0].actions[0], np.array([1.0, -0.5], np.float32))


def test_episodes_below_the_least_return_are_not_kept():
    made = recording.record(Wave(), PIXELS, 1, env_kwargs=SMALL, least_return=0.0)
    assert len(made.episodes) == 1
    with pytest.raises(ValueError, match=r"only 0 of 3 episodes reach `least_return` 5000"):
        recording.record(Wave(), PIXELS, 1, env_kwargs=SMALL, least_return=5000)


def test_any_environment_can_be_recorded():
    made = recording.record(Wave(), "sb3_vdb/CMaze-v0", 1)
    assert made.episodes[0].states.shape[1] == 0
    assert len(reenactment.reenact(made)[0]) == 100


def test_the_command_records_a_state_expert_for_pixels(tmp_path):
    env = gym.make(STATE)
    SAC("MlpPolicy", env, policy_kwargs={"net_arch": [8]}, device="cpu").save(tmp_path / "sac.zip")
    out = tmp_path / "demos.npz"
    arguments = ["record-demos", PIXELS, "--model", str(tmp_path / "sac.zip"), "--out", str(out)]
    arguments += ["--episodes", "1", "--arg", "image_size=16", "--arg", "action_repeat=10"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    played = Demonstrations.from_recording(out, progress_bar=False, cache=False)
    assert played[0].observations.shape == (101, 16, 16, 3)
    other = CliRunner().invoke(
        main, ["record-demos", "sb3_vdb/WalkerWalkPixels-v0", *arguments[2:]]
    )
    assert other.exit_code != 0
    assert "record with a model of this environment" in " ".join(other.output.split())


def test_the_command_records_pixel_mazes_with_a_model_that_sees_positions(tmp_path):
    env = gym.make("sb3_vdb/CMaze-v0")
    SAC("MlpPolicy", env, policy_kwargs={"net_arch": [8]}, device="cpu").save(tmp_path / "sac.zip")
    out = tmp_path / "maze.npz"
    arguments = ["record-demos", "sb3_vdb/CMazePixels-v0", "--model", str(tmp_path / "sac.zip")]
    arguments += ["--out", str(out), "--episodes", "2", "--arg", "image_size=16"]
    result = CliRunner().invoke(main, [*arguments, "--arg", "start_noise=0.04"])
    assert result.exit_code == 0, result.output
    played = Demonstrations.from_recording(out, progress_bar=False, cache=False)
    assert played[0].observations.shape == (101, 16, 16, 3)
    assert recording.load(out).env_kwargs["start_noise"] == 0.04
    assert (played[0].observations[0] != played[1].observations[0]).any()


def test_the_command_records_mazes_with_their_own_controller(tmp_path):
    out = tmp_path / "maze.npz"
    arguments = ["--scripted", "--out", str(out), "--episodes", "1"]
    result = CliRunner().invoke(main, ["record-demos", "sb3_vdb/SMazePixels-v0", *arguments])
    assert result.exit_code == 0, result.output
    assert recording.load(out).returns[0] > 180
    for others, message in (
        (
            ["sb3_vdb/WalkerWalkPixels-v0", *arguments],
            "no scripted expert, only maze, racing;",
        ),
        (
            ["sb3_vdb/CMazePixels-v0", *arguments[1:]],
            "give one of --model, --scripted and --planner",
        ),
    ):
        refused = CliRunner().invoke(main, ["record-demos", *others])
        assert refused.exit_code == 1
        assert message in " ".join(refused.output.split())


@pytest.mark.parametrize("name", recording.shipped())
def test_shipped_recordings_are_ten_small_episodes_of_their_task(name):
    path = recording.find(name)
    assert path.stat().st_size < 2_000_000
    made = recording.load(name)
    task = name.split("-")[0]
    assert made.env_id == f"sb3_vdb/{task}Pixels-v0"
    assert len(made.episodes) == 10
    repeat = made.env_kwargs.get("action_repeat", 2)
    assert name == recording_name(task, repeat, name.endswith("-stochastic"))
    n_decisions = 100 if "Maze" in name else 1000 // repeat
    if task == "CarRacing":  # the end of the lap is the end of the episode
        assert all(len(each.actions) < n_decisions and each.terminal for each in made.episodes)
    else:
        assert all(len(each.actions) == n_decisions for each in made.episodes)
    # what is far below the expert's mean is no demonstration
    assert made.returns.min() > made.returns.mean() - 0.15 * abs(made.returns.mean())
    gym.spec(made.env_id)


def test_a_shipped_recording_is_played_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("SB3_VDB_CACHE", str(tmp_path))
    made = recording.load("CartpoleSwingup")
    one = made._replace(episodes=made.episodes[:1])
    monkeypatch.setattr(reenactment, "load", lambda _: one)
    played = Demonstrations.from_recording("CartpoleSwingup", progress_bar=False)
    assert len(played) == 1
    assert played.returns[0] == pytest.approx(made.returns[0], abs=1e-3)


def test_a_name_that_does_not_ship_is_refused_with_those_that_do():
    with pytest.raises(FileNotFoundError, match=r"with the package come .*CartpoleSwingup"):
        Demonstrations.from_recording("CartpoleSwinup")


def test_recorded_states_can_be_drawn_in_another_size(made, tmp_path, monkeypatch):
    monkeypatch.setenv("SB3_VDB_CACHE", str(tmp_path / "cache"))
    path = recording.save(made, tmp_path / "reacher.npz")
    larger = {**SMALL, "image_size": 32}
    with pytest.raises(ValueError, match=r"`image_size` 16.*rerender=True"):
        Demonstrations.from_recording(path, larger, progress_bar=False)
    fine = Demonstrations.from_recording(path, larger, progress_bar=False, rerender=True)
    assert fine[0].observations.shape == (101, 32, 32, 3)
    again = Demonstrations.from_recording(path, larger, progress_bar=False, rerender=True)
    np.testing.assert_array_equal(again[0].observations, fine[0].observations)
    # drawn in 32 x 32 and averaged by twos
    smooth = Demonstrations.from_recording(
        path, {**SMALL, "supersample": 2}, progress_bar=False, rerender=True
    )[0].observations
    mean = fine[0].observations.reshape(101, 16, 2, 16, 2, 3).mean(axis=(2, 4))
    assert np.abs(smooth - mean).max() <= 0.5
    # what is not given is the id's, not the recording's
    plain = Demonstrations.from_recording(
        path, {"action_repeat": 10}, progress_bar=False, rerender=True
    )
    assert plain[0].observations.shape == (101, 64, 64, 3)
    slower = {**larger, "action_repeat": 2}
    with pytest.raises(ValueError, match="`action_repeat` 10"):
        Demonstrations.from_recording(path, slower, progress_bar=False, rerender=True)


def test_actors_whose_actions_last_otherwise_are_refused():
    acting = gym.make(STATE, action_repeat=5)
    with pytest.raises(ValueError, match="lasts 5 frames in `acting_env` and 10 in"):
        recording.record(Wave(), PIXELS, 1, env_kwargs=SMALL, acting_env=acting)
