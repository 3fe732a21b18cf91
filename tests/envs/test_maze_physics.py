"""The numpy physics against closed forms and against the same maze in MuJoCo.

Tolerances against MuJoCo. Free motion follows the same recursion: 1e-12. In contact MuJoCo is soft,
its margin of 2 mm counts for both bodies and the walls' axes lie 1 cm above the plane, so a
particle rests up to 2.8 mm before the numpy wall: 3 mm. A soft contact takes its time constant of
0.02 s to stop a particle or to let it pass a wall's end, so while that happens the two may differ
by what a particle travels in 0.02 s at terminal speed (2 cm in the C-maze, 10 cm in the S-maze);
afterwards by 3 mm again.
"""

import math

import numpy as np
import pytest

from sb3_vdb_envs.maze import LAYOUTS, MazeLayout, MazeVectorEnv, Wall, WaypointController
from sb3_vdb_envs.maze.layout import CONTACT_DISTANCE, layout_named
from sb3_vdb_envs.maze.mujoco_maze import MujocoMaze
from sb3_vdb_envs.maze.physics import DAMPING, MASS, TIMESTEP, PointMassPhysics
from sb3_vdb_envs.maze.rewards import PathLength

FREE, REST = 1e-12, 3e-3
CONTACT_TIME = 0.02  # s, of MuJoCo's contacts
OPEN = MazeLayout(
    "open", "no inner wall in reach", (-50, 50, -50, 50), (Wall(40, -50, 50),), (0, 0), (1, 1), 1.0
)


def single(layout, position, velocity=(0.0, 0.0)):
    physics = PointMassPhysics(layout, 1)
    physics.place(
        np.array([0]), np.array(position, float)[:, None], np.array(velocity, float)[:, None]
    )
    return physics


def deviations(layout, start, force, n_steps):
    """Largest coordinate difference to MuJoCo after each control step."""
    physics, mujoco = single(layout, start), MujocoMaze(layout)
    mujoco.place(start)
    found = []
    for _ in range(n_steps):
        physics.step(np.array(force, float)[:, None])
        found.append(np.abs(mujoco.step(np.array(force, float)) - physics.positions[:, 0]).max())
    return np.array(found)


def test_free_motion_follows_the_closed_form_of_implicit_damping():
    physics = single(OPEN, (0, 0))
    physics.step(np.array([[1.0], [0.0]]))
    decay = 1 / (1 + TIMESTEP * DAMPING / MASS)
    velocities = [1.0 / DAMPING * (1 - decay**k) for k in range(1, 6)]
    assert physics.positions[0, 0] == pytest.approx(TIMESTEP * sum(velocities), abs=1e-15)
    assert physics.velocities[0, 0] == pytest.approx(velocities[-1], abs=1e-15)


def test_terminal_speed_is_force_over_damping():
    physics = single(OPEN, (0, 0))
    for _ in range(100):
        physics.step(np.array([[0.0], [-1.0]]))
    assert physics.velocities[1, 0] == pytest.approx(-1.0, abs=1e-9)


def test_without_force_the_particle_coasts_and_stops_after_speed_times_mass_over_damping():
    physics = single(OPEN, (0, 0), (0.5, 0.0))
    for _ in range(200):
        physics.step(np.zeros((2, 1)))
    assert physics.positions[0, 0] == pytest.approx(0.5 * MASS / DAMPING, rel=1e-6)


@pytest.mark.parametrize("name", LAYOUTS)
def test_free_motion_agrees_with_mujoco(name):
    layout = LAYOUTS[name]
    assert deviations(layout, layout.start, (0.1, -0.2), 3).max() < FREE


@pytest.mark.parametrize("name", LAYOUTS)
def test_pushing_into_a_wall_agrees_with_mujoco(name):
    layout = LAYOUTS[name]
    found = deviations(layout, layout.start, (0.0, layout.force_limit), 40)
    assert found.max() < CONTACT_TIME * layout.force_limit / DAMPING
    assert found[20:].max() < REST


def test_sliding_along_a_wall_agrees_with_mujoco():
    # starts below the long part of the wall and stays below it
    assert deviations(LAYOUTS["c_maze"], (0.5, 0.2), (-0.2, 1.0), 15).max() < REST


def test_pushing_into_a_corner_of_the_box_agrees_with_mujoco():
    assert deviations(LAYOUTS["s_maze"], (0.1, 0.2), (5.0, -5.0), 20).max() < REST


@pytest.mark.parametrize(
    ("name", "start", "force"),
    [("c_maze", (0.25, 0.05), (-0.3, 1.0)), ("s_maze", (0.05, 0.5), (1.0, 5.0))],
)
def test_rounding_the_end_of_a_wall_agrees_with_mujoco(name, start, force):
    found = deviations(LAYOUTS[name], start, force, 60)
    assert found.max() < CONTACT_TIME * LAYOUTS[name].force_limit / DAMPING
    assert found[-1] < REST


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_particle_passes_through_a_wall_or_leaves_the_box(name):
    layout = LAYOUTS[name]
    physics = PointMassPhysics(layout, 200)
    rng = np.random.default_rng(0)
    physics.place(
        np.arange(200),
        rng.uniform(layout.free_low, layout.free_high, (200, 2)).T,
        np.zeros((2, 200)),
    )
    before = physics.positions.copy()
    held = rng.uniform(-1, 1, (2, 200))
    for step in range(150):
        if step % 10 == 0:
            held = np.clip(rng.normal(0, 1, (2, 200)), -1, 1) * layout.force_limit
        physics.step(held)
        assert (physics.positions >= layout.free_low[:, None]).all()
        assert (physics.positions <= layout.free_high[:, None]).all()
        if step > 0:
            for wall in layout.walls:
                crossed = (before[1] - wall.y) * (physics.positions[1] - wall.y) < 0
                inside = (np.minimum(before[0], physics.positions[0]) > wall.x_min) & (
                    np.maximum(before[0], physics.positions[0]) < wall.x_max
                )
                assert not (crossed & inside).any()
        before = physics.positions.copy()


def test_a_resting_particle_touches_the_wall_exactly():
    layout = LAYOUTS["c_maze"]
    physics = single(layout, layout.start)
    for _ in range(50):
        physics.step(np.array([[0.0], [1.0]]))
    assert physics.positions[1, 0] == pytest.approx(layout.walls[0].y - CONTACT_DISTANCE, abs=1e-12)


def test_walls_too_close_for_the_force_are_refused():
    walls = (Wall(0.5, 0, 1), Wall(0.8, 0, 1))
    with pytest.raises(ValueError, match="too close"):
        PointMassPhysics(MazeLayout("x", "x", (0, 1, 0, 1), walls, (0.5, 0.2), (0.5, 0.9), 5.0), 1)


@pytest.mark.parametrize("side", ["s_maze", "s_maze_flipped"])
def test_the_path_length_from_the_start_of_the_s_maze(side):
    layout = LAYOUTS[side]
    expected = math.hypot(0.2, 0.3) + math.hypot(0.4, 0.6) + math.hypot(0.2, 0.3)
    assert PathLength(layout)(np.array(layout.start)[:, None])[0] == pytest.approx(expected)


def play(name, predict, seed=0):
    env = MazeVectorEnv(1, layout=name)
    observations, _ = env.reset(seed=seed)
    total, state = 0.0, None
    for _ in range(100):
        actions, state = predict(observations, state)
        observations, rewards, *_ = env.step(actions)
        total += rewards[0]
    return total


@pytest.mark.parametrize("name", LAYOUTS)
def test_calibration_the_waypoint_controller_is_near_the_optimum(name):
    expected = -4.2 if name.startswith("c") else 183.4
    assert play(name, WaypointController(name).predict) == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize("name", ["s_maze", "s_maze_flipped"])
def test_calibration_the_papers_expert_had_one_newton(name):
    """Its 153.2 is what can be had with the C-maze's force, and 30 below what can be with 5 N."""
    layout = layout_named(name, force_limit=1.0)
    assert play(layout, WaypointController(layout).predict) == pytest.approx(153.2, abs=2.0)


@pytest.mark.parametrize("name", LAYOUTS)
def test_calibration_pushing_straight_up_is_stuck_at_the_wall(name):
    expected = -26.3 if name.startswith("c") else 0.15
    assert play(name, lambda *_: (np.array([[0.0, 1.0]], np.float32), None)) == pytest.approx(
        expected, abs=0.05
    )


@pytest.mark.parametrize("name", LAYOUTS)
def test_calibration_standing_still(name):
    expected = -50.0 if name.startswith("c") else 0.0
    # the random start velocity moves the particle by up to 1.1 mm, 0.11 over an episode
    assert play(name, lambda *_: (np.zeros((1, 2), np.float32), None)) == pytest.approx(
        expected, abs=0.12
    )
