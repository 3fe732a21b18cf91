"""Demonstrations of several kinds, and how two sets are compared exactly."""

import numpy as np

from sb3_vdb import Demonstrations, Trajectory
from sb3_vdb.transitions import parts_of

LENGTHS = (3, 1, 5)


def vectors(dtype=np.float32, rewards=True, action_repeat=None):
    """Episodes of unequal length, the first of which ended by itself."""
    rng = np.random.default_rng(0)
    return Demonstrations(
        Trajectory(
            rng.normal(size=(n + 1, 4)).astype(dtype),
            rng.normal(size=(n, 2)).astype(dtype),
            rng.normal(size=n).astype(np.float32) if rewards else None,
            terminal=i == 0,
            action_repeat=action_repeat,
        )
        for i, n in enumerate(LENGTHS)
    )


def discrete():
    """States and actions that are one whole number each."""
    rng = np.random.default_rng(1)
    return Demonstrations(
        Trajectory(
            rng.integers(0, 7, n + 1), rng.integers(0, 3, n), np.ones(n, np.float32), terminal=i > 0
        )
        for i, n in enumerate(LENGTHS)
    )


def parts():
    """Observations with a picture and a vector."""
    rng = np.random.default_rng(2)
    return Demonstrations(
        Trajectory(
            {
                "camera": rng.integers(0, 256, (n + 1, 8, 6, 3)).astype(np.uint8),
                "robot.pos": rng.normal(size=(n + 1, 2)),
            },
            rng.normal(size=(n, 2)).astype(np.float32),
            rng.normal(size=n).astype(np.float32),
            terminal=i == 2,
        )
        for i, n in enumerate(LENGTHS)
    )


def assert_same(ours, theirs, rewards=True):
    """All arrays, their data types, and the marks."""
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        fields = [(mine.actions, other.actions)]
        if rewards:
            fields.append((mine.rewards, other.rewards))
        assert isinstance(mine.observations, dict) == isinstance(other.observations, dict)
        assert set(parts_of(mine.observations)) == set(parts_of(other.observations))
        for name, part in parts_of(mine.observations).items():
            fields.append((part, parts_of(other.observations)[name]))
        for a, b in fields:
            assert (a is None) == (b is None)
            if a is not None:
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)
        assert mine.terminal == other.terminal
        assert mine.action_repeat == other.action_repeat
