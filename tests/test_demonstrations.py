"""Demonstrations: made, checked, written, drawn."""

import dataclasses

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_vdb import GAIL, Demonstrations, Trajectory, make_vec_env
from sb3_vdb.baselines import BehaviouralCloning
from sb3_vdb.demonstrations import EpochSampler, npz
from tests.conftest import MAZE, small_ppo
from tests.vmail.small import Dot, make_demonstrations

BOX = spaces.Box(-1, 1, (2,), np.float32)


def trajectory(length=3, dim=2, **kwargs):
    observations = np.linspace(-1, 1, (length + 1) * dim, dtype=np.float32).reshape(length + 1, dim)
    return Trajectory(observations, np.zeros((length, 2), np.float32), **kwargs)


def test_transitions_join_episodes_without_mixing_them():
    first, second = trajectory(2, terminal=True), trajectory(3)
    transitions = Demonstrations([first, second]).transitions()
    np.testing.assert_array_equal(transitions.observations[1], first.observations[1])
    np.testing.assert_array_equal(transitions.next_observations[1], first.observations[2])
    np.testing.assert_array_equal(transitions.observations[2], second.observations[0])
    np.testing.assert_array_equal(transitions.terminated, [False, True, False, False, False])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64])
def test_files_are_lossless(tmp_path, dtype):
    rng = np.random.default_rng(0)
    demos = Demonstrations.from_arrays(
        [(100 * rng.random((n + 1, 4))).astype(dtype) for n in (1, 5, 2)],
        [rng.random((n, 2)) for n in (1, 5, 2)],
        [rng.random(n) for n in (1, 5, 2)],
        [True, False, True],
    )
    loaded = Demonstrations.load(demos.save(tmp_path / "demos"))
    for a, b in zip(demos, loaded, strict=True):
        assert a.observations.dtype == b.observations.dtype == dtype
        np.testing.assert_array_equal(a.observations, b.observations)
        np.testing.assert_array_equal(a.actions, b.actions)
        np.testing.assert_array_equal(a.rewards, b.rewards)
        assert a.terminal == b.terminal


def test_demonstrations_without_actions_stay_without(tmp_path):
    demos = Demonstrations.from_arrays([np.zeros((4, 2))])
    loaded = Demonstrations.load(demos.save(tmp_path / "demos.npz"))
    assert loaded[0].actions is None
    assert not loaded.has_actions
    assert loaded.returns is None
    assert loaded.transitions().actions is None


def test_a_truncated_file_is_refused(tmp_path):
    path = Demonstrations([trajectory()]).save(tmp_path / "demos.npz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="truncated"):
        Demonstrations.load(path)


def test_a_foreign_file_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", states=np.zeros(3))
    with pytest.raises(ValueError, match=r"no sb3_vdb\.demonstrations file"):
        Demonstrations.load(tmp_path / "other.npz")


@pytest.mark.parametrize("name", ["version", "lengths", "observations"])
def test_a_file_without_a_part_is_refused(tmp_path, name):
    path = Demonstrations([trajectory()]).save(tmp_path / "demos.npz")
    with np.load(path) as archive:
        fields = {key: archive[key] for key in archive.files if key != name}
    np.savez(path, **fields)
    with pytest.raises(ValueError, match=f"lacks {name}"):
        Demonstrations.load(path)


def test_a_damaged_file_gives_a_clear_error_or_the_same_data(tmp_path):
    demos = Demonstrations([trajectory(50)])
    path = demos.save(tmp_path / "demos.npz")
    content = path.read_bytes()
    outcomes = set()
    for position in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(bytes(damaged))
        try:
            loaded = Demonstrations.load(path)
        except ValueError as error:
            outcomes.add("demos.npz" in str(error))
        else:
            np.testing.assert_array_equal(loaded[0].observations, demos[0].observations)
    assert outcomes == {True}


def test_a_later_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "VERSION", 2)
    path = Demonstrations([trajectory()]).save(tmp_path / "demos.npz")
    monkeypatch.setattr(npz, "VERSION", 1)
    with pytest.raises(ValueError, match="upgrade"):
        Demonstrations.load(path)


def test_a_pickled_file_is_not_unpickled(tmp_path):
    np.savez(tmp_path / "evil.npz", format=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="an array of object"):
        Demonstrations.load(tmp_path / "evil.npz")


def test_rollouts_are_whole_episodes_with_their_last_observation():
    venv = make_vec_env(MAZE, 3, seed=0)
    demos = Demonstrations.from_rollouts(small_ppo(venv), venv, 7)
    assert len(demos) == 7
    assert {len(each) for each in demos} == {100}
    assert not any(each.terminal for each in demos)
    for each in demos:
        # an episode begins at the start, and its last observation is not the next one's first
        np.testing.assert_allclose(each.observations[0], [0.3, 0.0], atol=1e-6)
        assert np.abs(each.observations[-1] - each.observations[-2]).max() < 0.051
    demos.validate(venv.observation_space, venv.action_space)
    assert demos.returns.shape == (7,)


def test_rollouts_under_vec_normalize_are_stored_raw():
    venv = VecNormalize(make_vec_env(MAZE, 2, seed=0))
    demos = Demonstrations.from_rollouts(small_ppo(venv), venv, 2)
    for each in demos:
        np.testing.assert_allclose(each.observations[0], [0.3, 0.0], atol=1e-6)
        assert venv.venv.observation_space.contains(each.observations[-1].astype(np.float32))
        assert -1 < each.rewards.min() <= each.rewards.max() < 0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "empty"),
        ([trajectory(0)], "trajectory 0 has 1 observations and so no step"),
        ([Trajectory(np.zeros((0, 2)))], "trajectory 0 has 0 observations and so no step"),
        (
            [trajectory(), Trajectory(np.zeros((2, 2)), np.zeros((1, 2)))],
            "dtype float64, trajectory 0",
        ),
        (
            [trajectory(), Trajectory(np.zeros((4, 2)), np.zeros((5, 2)))],
            "trajectory 1 has 4 observations and 5 actions",
        ),
        (
            [Trajectory(np.array([[0.0], [np.nan]]))],
            "trajectory 0 has observations that are not finite.*step 1",
        ),
        ([Trajectory(np.zeros((2, 1)), np.array([[np.inf]]))], "actions that are not finite"),
        ([Trajectory(np.array([[None], [None]]))], "dtype object"),
        (
            [trajectory(), Trajectory(np.zeros((2, 2)))],
            "trajectory 1 has no actions and others have",
        ),
    ],
)
def test_bad_trajectories_are_named(bad, message):
    with pytest.raises(ValueError, match=message):
        Demonstrations(bad)


@pytest.mark.parametrize(
    ("observations", "space", "message"),
    [
        (np.zeros((3, 5)), BOX, r"trajectory 0: each observation has shape \(5,\)"),
        (np.zeros((3, 3, 64, 64)), spaces.Box(0, 255, (64, 64, 3), np.uint8), "transpose"),
        (np.full(3, 9), spaces.Discrete(4), "observation 9 at step 0 is not in"),
    ],
)
def test_demonstrations_of_another_environment_are_refused(observations, space, message):
    demos = Demonstrations.from_arrays([observations])
    with pytest.raises(ValueError, match=message):
        demos.validate(space, BOX, needs_actions=False)


def test_actions_outside_their_space_are_refused_with_the_remedy():
    demos = Demonstrations.from_arrays([np.zeros((2, 2))], [np.array([[0.0, 3.0]])])
    with pytest.raises(ValueError, match="clip them to its bounds"):
        demos.validate(BOX, BOX)


def test_missing_actions_are_refused_where_they_are_needed():
    with pytest.raises(ValueError, match=r"view=View\(sees="):
        Demonstrations.from_arrays([np.zeros((2, 2))]).validate(BOX, BOX)


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match="`actions` has 0 entries"):
        Demonstrations.from_arrays([np.zeros((2, 2))], [])


def test_demonstrations_are_a_sequence():
    demos = Demonstrations([trajectory(1), trajectory(2), trajectory(3)])
    assert [len(each) for each in demos[1:]] == [2, 3]
    assert demos.n_steps == 6


def test_every_transition_is_drawn_once_an_epoch():
    sampler = EpochSampler(10, seed=0)
    drawn = np.concatenate([sampler.sample(4) for _ in range(5)])
    np.testing.assert_array_equal(np.sort(drawn[:10]), np.arange(10))
    np.testing.assert_array_equal(np.sort(drawn[10:]), np.arange(10))


def test_a_sampler_goes_on_where_it_stopped():
    first, second = EpochSampler(10, seed=0), EpochSampler(10, seed=5)
    first.sample(13)
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(first.sample(25), second.sample(25))


def test_one_episode_without_a_list_is_found_out():
    with pytest.raises(ValueError, match=r"for a single episode `\[observations\]`"):
        Demonstrations.from_arrays(np.zeros((5, 2)), np.zeros((4, 2)))


def test_a_missing_episode_is_named():
    with pytest.raises(ValueError, match=r"`actions\[1\]` is None"):
        Demonstrations.from_arrays([np.zeros((2, 2))] * 2, [np.zeros((1, 2)), None])


def test_float_actions_of_a_discrete_space_are_refused():
    demos = Demonstrations.from_arrays([np.zeros((2, 2))], [np.zeros(1)])
    with pytest.raises(ValueError, match="actions have dtype float64"):
        demos.validate(BOX, spaces.Discrete(2))


def test_demonstrations_say_what_they_are():
    text = repr(Demonstrations([trajectory(1), trajectory(2)]))
    assert text == "Demonstrations(2 trajectories, 3 steps)"


def test_observations_of_several_parts_are_saved_recorded_and_checked(tmp_path):
    demos = make_demonstrations("both", n=2, length=5)
    read = Demonstrations.load(demos.save(tmp_path / "both.npz"))
    for mine, theirs in zip(read, demos, strict=True):
        assert set(mine.observations) == {"camera", "robot.pos"}
        for name, part in theirs.observations.items():
            np.testing.assert_array_equal(mine.observations[name], part)
            assert mine.observations[name].dtype == part.dtype
        np.testing.assert_array_equal(mine.actions, theirs.actions)
    env = Dot("both", length=4)
    read.validate(env.observation_space, env.action_space)

    class Still:
        def predict(self, observation, **_):
            return np.zeros((len(observation["camera"]), 2), np.float32), None

    recorded = Demonstrations.from_rollouts(Still(), DummyVecEnv([lambda: env]), 2)
    assert [len(each) for each in recorded] == [4, 4]
    positions = recorded[0].observations["robot.pos"]
    assert positions.shape == (5, 2)
    assert (positions == positions[0]).all()  # the last one is the episode's own, not the next's
    assert not np.array_equal(positions[0], recorded[1].observations["robot.pos"][0])


def test_observations_of_several_parts_give_transitions_of_several_parts():
    demos = make_demonstrations("both", n=2, length=5)
    steps = demos.transitions()
    assert set(steps.observations) == set(steps.next_observations) == {"camera", "robot.pos"}
    for name in steps.observations:
        expected = np.concatenate([each.observations[name][:-1] for each in demos])
        np.testing.assert_array_equal(steps.observations[name], expected)
        following = np.concatenate([each.observations[name][1:] for each in demos])
        np.testing.assert_array_equal(steps.next_observations[name], following)


def test_a_learner_that_sees_some_parts_needs_only_those():
    demos, both = make_demonstrations("both"), Dot("both")
    spaces_of = both.observation_space, both.action_space
    positions = Demonstrations.from_arrays(
        [{"robot.pos": each.observations["robot.pos"]} for each in demos],
        [each.actions for each in demos],
    )
    positions.validate(*spaces_of, keys=["robot.pos"])
    demos.validate(*spaces_of, keys=["robot.pos"])
    with pytest.raises(ValueError, match=r"have no part camera, which .* sees, only robot\.pos"):
        positions.validate(*spaces_of, keys=["robot.pos", "camera"])
    with pytest.raises(ValueError, match=r"have parts robot\.pos, the environment's camera, robot"):
        positions.validate(*spaces_of)
    with pytest.raises(ValueError, match="environment's space has no part depth"):
        demos.validate(*spaces_of, keys=["depth"])
    wrong = Demonstrations.from_arrays([{"robot.pos": np.zeros((3, 5))}])
    with pytest.raises(ValueError, match=r"part 'robot\.pos': each observation has shape \(5,\)"):
        wrong.validate(*spaces_of, needs_actions=False, keys=["robot.pos"])
    one = Dot("vectors")
    with pytest.raises(ValueError, match=r"has no parts; leave out robot\.pos"):
        demos.validate(one.observation_space, one.action_space, keys=["robot.pos"])


def test_observations_of_several_parts_are_refused_where_one_array_is_needed():
    demos = make_demonstrations("both")
    one, both = Dot("vectors"), Dot("both")
    with pytest.raises(ValueError, match="has none; pick one"):
        demos.validate(one.observation_space, one.action_space)
    with pytest.raises(ValueError, match="the observations have parts observations"):
        make_demonstrations("vectors").validate(both.observation_space, both.action_space)
    first = demos[0]
    uneven = {**first.observations, "robot.pos": first.observations["robot.pos"][:-1]}
    with pytest.raises(ValueError, match=r"12 observations 'robot\.pos' and 13 of another"):
        Demonstrations([Trajectory(uneven, first.actions)])


def test_how_long_an_action_lasted_is_recorded_saved_and_compared(tmp_path):
    venv = DummyVecEnv([lambda: Dot("vectors")])  # an action lasts three frames there
    model = BehaviouralCloning(venv, make_demonstrations("vectors"), seed=0)
    demos = Demonstrations.from_rollouts(model, venv, 2)
    assert [each.action_repeat for each in demos] == [3, 3]
    assert demos[0:1][0].action_repeat == 3
    mixed = Demonstrations([demos[0], dataclasses.replace(demos[1], action_repeat=None)])
    assert [each.action_repeat for each in Demonstrations.load(mixed.save(tmp_path / "d"))] == [
        3,
        None,
    ]
    mixed.check_action_repeat(venv)
    other = Demonstrations.from_arrays([demos[0].observations], [demos[0].actions], action_repeat=2)
    message = "trajectory 0: an action lasted 2 frames, in the environment it lasts 3"
    with pytest.raises(ValueError, match=message):
        other.check_action_repeat(venv)
    with pytest.raises(ValueError, match=message):
        BehaviouralCloning(venv, other)
    generator = PPO("MlpPolicy", venv, n_steps=16, batch_size=16, device="cpu")
    with pytest.raises(ValueError, match=message):
        GAIL(other, venv, generator, demo_batch_size=4)
    unknown = make_vec_env("sb3_vdb/CMaze-v0", 1)  # the mazes do not say
    demos.check_action_repeat(unknown)


def test_the_parts_of_a_single_episode_are_asked_for_in_a_list():
    with pytest.raises(ValueError, match="is one mapping of frame; give a list"):
        Demonstrations.from_arrays({"frame": np.zeros((3, 2), np.float32)})


# --- what people have


ROW = np.arange(12.0).reshape(6, 2)  # observations of six steps
LEAVES = {"terminals": [0, 0, 1, 0, 0, 0], "timeouts": np.array([0, 0, 0, 0, 1, 0], bool)}


def test_steps_in_one_row_become_episodes_with_their_last_observations():
    actions, rewards, following = np.arange(6.0)[:, None], np.arange(6.0), ROW + 2.0
    following[2] += 100.0  # the end of an episode is not the start of the next one
    demos = Demonstrations.from_flat(
        ROW, actions, rewards=rewards, **LEAVES, next_observations=following
    )
    assert [(len(each), each.terminal) for each in demos] == [(3, True), (2, False), (1, False)]
    np.testing.assert_array_equal(demos[0].observations, [*ROW[:3], following[2]])
    np.testing.assert_array_equal(demos[1].observations, [*ROW[3:5], following[4]])
    np.testing.assert_array_equal(np.concatenate([each.actions for each in demos]), actions)
    np.testing.assert_array_equal(demos.returns, [3.0, 7.0, 5.0])


def test_last_steps_without_next_observations_are_left_out_only_if_told():
    with pytest.raises(ValueError, match=r'give `next_observations` .*, or `last_step="drop"`'):
        Demonstrations.from_flat(ROW, np.arange(6.0)[:, None], **LEAVES)
    demos = Demonstrations.from_flat(ROW, np.arange(6.0)[:, None], **LEAVES, last_step="drop")
    assert [(len(each), each.terminal) for each in demos] == [(2, False), (1, False)]
    np.testing.assert_array_equal(demos[0].observations, ROW[:3])
    np.testing.assert_array_equal(demos[1].actions, [[3.0]])


@pytest.mark.parametrize(
    "arguments",
    [
        {"ends": [0, 0, 1, 0, 1, 0], "terminals": [0, 0, 1, 0, 0, 0]},
        {"lengths": [3, 2, 1], "terminals": [0, 0, 1, 0, 0, 0]},
        {"ends": [False, False, False, False, True, True], "terminals": [0, 0, 1, 0, 0, 0]},
    ],
)
def test_ends_are_said_by_marks_or_by_lengths(arguments):
    demos = Demonstrations.from_flat(ROW, ROW, **arguments, next_observations=ROW + 2.0)
    assert [(len(each), each.terminal) for each in demos] == [(3, True), (2, False), (1, False)]


def test_steps_of_several_parts_are_split_part_by_part():
    parts = {"a": ROW, "b": np.arange(6, dtype=np.uint8)}
    following = {name: np.roll(part, -1, axis=0) for name, part in parts.items()}
    ends = {"timeouts": [0, 0, 1, 0, 0, 1]}
    demos = Demonstrations.from_flat(parts, **ends, next_observations=following)
    np.testing.assert_array_equal(demos[1].observations["b"], [3, 4, 5, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing says where episodes end"),
        ({"terminals": [0, 0, 1]}, r"`terminals` has shape \(3,\), but there are 6 steps"),
        ({"ends": [2, 5]}, "`ends` must have one truth value a step.* goes into `lengths`"),
        ({"lengths": [3, 2]}, r"add up to the 6 steps, got \[3, 2\], in sum 5"),
        ({"lengths": [3.0, 3.0]}, "`lengths` must be positive whole numbers"),
        ({"lengths": [3, 3], "terminals": [0, 1, 0, 0, 0, 0]}, "step 1, which is within"),
        ({"lengths": [6], "last_step": "keep"}, "`last_step` must be"),
        ({"lengths": [6], "last_step": "drop", "next_observations": ROW + 2}, "leave one of them"),
        ({"terminals": [0, 0, 2, 0, 0, 0]}, "`terminals` must have one truth value a step"),
        ({"terminals": np.zeros((6, 1))}, r"`terminals` must .* shape \(6, 1\)"),
        (
            {"terminals": np.zeros(6), "next_observations": ROW + 3.0},
            r"`next_observations\[0\]` is not `observations\[1\]`",
        ),
        ({"terminals": np.ones(6), "last_step": "drop"}, "every episode has a single step"),
    ],
)
def test_rows_of_steps_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Demonstrations.from_flat(ROW, **arguments)


@pytest.mark.parametrize(
    ("observations", "actions"),
    [
        (np.zeros((5, 11, 3)), np.zeros((5, 10, 2))),
        (np.zeros((5, 11), int), np.zeros((5, 10), int)),  # of a Discrete space
        ([[[0.0, 1.0]] * 11] * 5, [[[1.0]] * 10] * 5),
        (tuple(np.zeros((5, 11, 3))), tuple(np.zeros((5, 10, 2)))),
    ],
)
@pytest.mark.parametrize("terminals", [[True] * 5, np.array([[0] * 9 + [1]] * 5), None])
def test_episodes_of_equal_length_may_be_one_array(observations, actions, terminals):
    demos = Demonstrations.from_arrays(observations, actions, terminals=terminals)
    assert [len(each) for each in demos] == [10] * 5
    assert [each.terminal for each in demos] == [terminals is not None] * 5


def test_lists_inside_a_trajectory_are_arrays():
    demos = Demonstrations([Trajectory([[0.0, 1.0], [1.0, 2.0]], [[1.0]], [3.0], np.bool_(True))])
    assert demos.returns.tolist() == [3.0]
    assert demos.transitions().terminated.tolist() == [True]
    filled = np.ma.masked_array(np.zeros((3, 2)), mask=False)
    assert type(Trajectory(filled).observations) is np.ndarray
    assert Trajectory(np.zeros((3, 2), ">f4")).observations.dtype.isnative


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([np.zeros((10, 3))], [np.zeros((10, 2))]), "add the observation after the last action"),
        ((np.zeros((100, 3)), np.zeros((100, 2))), "use Demonstrations.from_flat"),
        (([np.array([["a"], ["b"]])],), "dtype <U1"),
        (([np.zeros((3, 2), complex)],), "dtype complex128"),
        (([np.zeros((3, 2), "M8[s]")],), "dtype datetime64"),
        (([np.ma.masked_less(ROW, 3.0)],), "masked entries"),
        (([[[1, 2], [3]]],), "`observations` cannot be made an array"),
        (([[{"a": 1}, {"a": 2}]],), "one array a part, by name, and not one mapping a step"),
        (([{"a": {"b": ROW}}],), "parts of parts"),
        (([3.0],), "a single float64"),
        (("abc",), "`observations` must be a list"),
        ((None,), "`observations` must be a list"),
        (([ROW], None, [np.zeros((5, 1))]), r"rewards of shape \(5, 1\)"),
        (([ROW], None, [None]), r"`rewards\[0\]` is None"),
        (([ROW], None, None, ["False"]), "trajectory 0: `terminals` must have one truth value"),
        (([ROW], None, None, True), "`terminals` must be a list"),
        (([ROW], None, None, [[0, 1, 0, 0, 0]]), "marks an end at step 1 of 5"),
        (([ROW], None, None, [[0, 1]]), "`terminals` has 2 entries and there are 5 steps"),
        (([ROW], None, None, None, -1.5), "`action_repeat` -1.5"),
        (([ROW * 1e300],), "not finite .in single precision."),
    ],
)
def test_what_is_no_list_of_episodes_is_refused_with_the_remedy(arguments, message):
    with pytest.raises(ValueError, match=message):
        Demonstrations.from_arrays(*arguments)


def test_trajectories_that_are_none_are_named():
    with pytest.raises(ValueError, match="`trajectories` must be a list"):
        Demonstrations(None)
    with pytest.raises(ValueError, match="`terminal` 'yes'; give True or False"):
        Demonstrations([Trajectory(ROW, terminal="yes")])


def test_observations_outside_their_box_are_taken_with_one_warning():
    """Some environments leave their own bounds (LunarLander)."""
    demos = Demonstrations.from_arrays([np.full((3, 2), 7.0)] * 2, [np.zeros((2, 2))] * 2)
    venv = DummyVecEnv([lambda: Dot("vectors")])
    for check in (
        lambda: demos.validate(BOX, BOX),
        lambda: BehaviouralCloning(venv, demos),
    ):
        with pytest.warns(UserWarning, match="trajectory 0: observation .* lies outside") as said:
            check()
        assert len(said) == 1
    with pytest.raises(ValueError, match="pictures have dtype float64"):
        Demonstrations.from_arrays([np.zeros((3, 64, 64, 3))]).validate(
            spaces.Box(0, 255, (64, 64, 3), np.uint8), BOX, needs_actions=False
        )
