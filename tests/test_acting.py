"""A policy's memory from step to step."""

import numpy as np

from sb3_vdb.acting import ActingPolicy


class Counting:
    """Counts the steps of each episode, as a recurrent policy would remember them."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        state = np.zeros(len(observation)) if state is None else state
        state = np.where(episode_start, 0, state + 1)
        return state.copy(), state


def test_a_policy_remembers_and_forgets_where_an_episode_begins():
    actor, observations = ActingPolicy(Counting(), 2), np.zeros((2, 1))
    np.testing.assert_array_equal(actor.act(observations), [0, 0])
    actor.note_ends(np.array([False, True]))
    np.testing.assert_array_equal(actor.act(observations), [1, 0])
    actor.note_ends(np.array([False, False]))
    np.testing.assert_array_equal(actor.act(observations), [2, 1])


def test_recordings_and_videos_tell_recurrent_policies_of_new_episodes(tmp_path):
    from sb3_vdb.demonstrations import recording
    from sb3_vdb.evaluation.videos import record_video

    starts = []

    class Remembering:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            starts.append(bool(episode_start[0]))
            assert (state is None) == (len(starts) == 1)
            return np.zeros(2, np.float32), len(starts)

    record_video("sb3_vdb/CMaze-v0", Remembering(), tmp_path / "maze.gif", seconds=5.5, every=50)
    assert np.flatnonzero(starts).tolist() == [0, 100]
    starts.clear()
    recording.record(Remembering(), "sb3_vdb/CMaze-v0", 1)
    assert np.flatnonzero(starts).tolist() == [0]
