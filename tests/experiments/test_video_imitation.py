"""The video study: every method is trained from frames, and a page is made."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from sb3_vdb.baselines import PixelReward
from sb3_vdb.cli import main
from sb3_vdb.experiments.foreign_videos import foreign_videos
from sb3_vdb.experiments.humanoid.training import MocapSettings
from sb3_vdb.experiments.motion_imitation import table
from sb3_vdb.experiments.motion_imitation.training import train_motion
from sb3_vdb.experiments.video_imitation import training
from sb3_vdb.experiments.video_imitation.settings import (
    FIXED_BETAS,
    FOREIGN,
    GROUPS,
    HAND_MADE,
    METHODS,
)
from sb3_vdb.experiments.video_imitation.training import VideoRun
from sb3_vdb.pretrained import load_policy
from sb3_vdb.transitions import Transitions
from sb3_vdb.views import PictureDifference

pytest.importorskip("mujoco")
RUN = "sb3_vdb/BipedRunVideo-v0"
SMALL = MocapSettings(samples=256, n_envs=32, n_steps=8, batch_size=64, evaluate_every=256)


@pytest.fixture(autouse=True)
def short_evaluations(monkeypatch):
    monkeypatch.setattr(training, "N_EPISODES", 4)


def small_run(folder, method="VAIL-difference", **changes):
    run = VideoRun(folder, "Run", 0, SMALL, method, **changes)
    run.claim()
    return run


def test_five_fixed_betas_stand_beside_the_adaptive_one():
    assert len(FIXED_BETAS) >= 5
    for beta in FIXED_BETAS:
        changes = METHODS[f"VAIL-difference, beta {beta:g}"].changes
        assert changes["beta"] == beta
        assert changes["beta_step_size"] == 0.0


def test_no_method_sees_a_state(tmp_path):
    demonstrations = small_run(tmp_path).demonstrations()
    for name, method in METHODS.items():
        if name in HAND_MADE:
            continue
        view = method.arguments(demonstrations)["discriminator_kwargs"]["view"]
        assert view.sees == ("next_observations",)
        space = training.make_vec_env(RUN, 1).observation_space
        assert "state" not in view.observation.keys(space)


def test_every_method_stands_in_a_figure():
    assert {name for group in GROUPS.values() for name in group} == set(METHODS)


def test_a_foreign_video_is_as_long_as_the_environments_own(tmp_path):
    own, foreign = (small_run(tmp_path / f"{i}", m) for i, m in enumerate(("GAIL", FOREIGN)))
    own, foreign = own.demonstrations()[0], foreign.demonstrations()[0]
    phases = own.observations["phase"], foreign.observations["phase"]
    np.testing.assert_allclose(*phases, atol=1e-3)  # the clip lasts 24.001 frames
    a, b = (each.observations["frame"].astype(float) for each in (own, foreign))
    nearest = [np.square(a[:-1] - frame).mean(axis=(1, 2, 3)).argmin() for frame in b[:-1]]
    np.testing.assert_array_equal(nearest, np.arange(len(a) - 1))
    assert np.abs(a - b).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["VAIL-GP, phase-functioned", "VAIL-difference, beta 0.1", "GAIL", "pixel reward"]
)
def test_a_method_trains(method, tmp_path):
    run = small_run(tmp_path, method)
    path = train_motion(run)
    assert pd.read_csv(run.folder / "evaluations.csv")["joint_error"].notna().all()
    assert set(load_policy(path, RUN).observation_space.spaces) == {"state", "frame", "phase"}


def test_the_pixels_reward_is_the_papers():
    """1 for the video's frame, 1 - 1/4 for frames that are off by half of white everywhere."""
    video = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 100)])
    from tests.test_videos import dict_space

    reward = PixelReward(PictureDifference(video), dict_space(4))
    frames = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 100, 255, 0)])
    phases = np.array([[-1.0], [0.0], [-1.0], [-1.0]], dtype=np.float32)
    observations = {"frame": frames, "phase": phases}
    ended = np.array([False, False, False, True])
    rewards = reward(Transitions(observations, None, observations, ended))
    np.testing.assert_allclose(rewards, [1.0, 1.0, 0.0, 0.0])


def test_episodes_of_evaluations_begin_anywhere_and_those_of_the_training_do_not(tmp_path):
    for random_start in (False, True):
        run = small_run(tmp_path, random_start=random_start)
        phases = run.make_training().reset()["phase"]
        assert (len(np.unique(phases)) > 1) == random_start
        assert len(np.unique(run.make_evaluation().reset()["phase"])) == 4
    assert {path.name for path in tmp_path.iterdir()} == {
        "Run_VAIL-difference_0",
        "Run_VAIL-difference_0_random_start",
    }


def test_the_table_is_made_by_one_command(tmp_path, monkeypatch):
    few = tuple(row._replace(episodes=2) for row in training.SIMULATORS[:1])
    monkeypatch.setattr(training, "SIMULATORS", few)
    monkeypatch.setattr(table, "VIDEO_SECONDS", 0.3)
    out, docs = tmp_path / "runs", tmp_path / "docs"
    for method, anywhere in (("VAIL-difference", True), ("pixel reward", False)):
        run = small_run(out, method, random_start=anywhere)
        table.train_and_evaluate(run, lambda done, note: None)
    arguments = ["reproduce", "video-imitation", "--out", str(out), "--docs", str(docs)]
    result = CliRunner().invoke(main, [*arguments, "--table-only"])
    assert result.exit_code == 0, result.output
    assert pd.read_csv(docs / "summary.csv")["method"].tolist() == [
        "pixel reward",
        "VAIL-difference, begun anywhere",
    ]
    page = (out / "report.html").read_text()
    assert "A biped that learned from a video" in page
    assert page.count("<img") == 3 + 1 + 2  # curves, saliency of what learned, one film a cell
    assert (docs / "run.gif").exists()
    wrong = CliRunner().invoke(main, ["reproduce", "video-imitation", "--skill", "Fly"])
    assert wrong.exit_code == 2
    assert "BipedFlyVideo" in wrong.output


@pytest.mark.slow
def test_a_painted_video_of_another_renderer_shows_the_right_phase(tmp_path):
    """As it is cut out of MuJoCo's picture it does not, and differs by several late frames."""
    files = foreign_videos(tmp_path)
    table = pd.read_csv(tmp_path / "foreign_videos.csv").set_index("video")
    assert [path.name for path in files] == [
        "run_mujoco.mp4",
        "foreign_videos.csv",
        "foreign_videos.png",
    ]
    painted, raw = table.iloc[1], table.iloc[0]
    assert painted["right"] == 1.0
    assert painted["difference"] < 1.0 < raw["difference"]
    assert raw["right"] < 0.9
