"""The motion table: a training is interrupted and resumed, every method is trained, a page is
made.
"""

from functools import partial

import pandas as pd
import pytest
from click.testing import CliRunner

from sb3_vdb.cli import main
from sb3_vdb.demonstrations import Demonstrations
from sb3_vdb.evaluation.robustness import evaluate_plants, evaluate_pushes
from sb3_vdb.experiments.humanoid import table as simulators
from sb3_vdb.experiments.humanoid.training import MocapSettings
from sb3_vdb.experiments.motion_imitation import cloning, table
from sb3_vdb.experiments.motion_imitation import robustness as robust
from sb3_vdb.experiments.motion_imitation.settings import METHODS
from sb3_vdb.experiments.motion_imitation.training import MotionRun, train_motion
from sb3_vdb.pretrained import load_policy

pytest.importorskip("mujoco")
RUN = "sb3_vdb/HumanoidRun-v0"
SMALL = MocapSettings(samples=512, n_envs=32, n_steps=8, batch_size=128, evaluate_every=256)


def small_run(tmp_path, method="VAIL-difference", **changes):
    run = MotionRun(tmp_path, "Run", 0, SMALL._replace(**changes), method)
    run.claim()
    return run


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("method", ["VAIL-difference", "DeepMimic"])
def test_a_stopped_training_goes_on_from_its_checkpoint(method, tmp_path):
    run, seen = small_run(tmp_path, method, samples=1024), []

    def stop(samples, result):
        if samples >= 512:
            raise Interrupted

    with pytest.raises(Interrupted):
        train_motion(run, stop)
    assert (run.folder / "checkpoint.zip").exists()
    path = train_motion(run, lambda samples, result: seen.append(samples))
    assert seen[0] == 256  # where the checkpoint was written
    rows = pd.read_csv(run.folder / "evaluations.csv")
    assert rows["samples"].tolist() == [0, 256, 512, 768, 1024]
    assert rows["joint_error_shifted"].notna().all()
    if method != "DeepMimic":
        assert rows["kl"][1:].notna().all()
        assert (rows["reward_q10"][1:] <= rows["reward_q90"][1:]).all()
    assert not (run.folder / "checkpoint.zip").exists()
    assert load_policy(path, RUN).observation_space.shape == (197,)


def test_what_every_method_sees_and_how_it_is_trained():
    demonstrations = Demonstrations.from_mocap(RUN, env_kwargs={"drift": True})
    for name, method in METHODS.items():
        if method.trainer is None:  # DeepMimic and BC
            continue
        arguments = method.arguments(demonstrations)
        assert "next_observations" in arguments["discriminator_kwargs"]["view"].sees
        assert arguments["terminal_reward"] == 0.0
        assert ("information_limit" in arguments) == name.startswith("VAIL")
        has_penalty = "GP" in name or "difference" in name or name == "AMP"
        assert (arguments["grad_penalty_coef"] > 0) == has_penalty


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains(method, tmp_path):
    run = small_run(tmp_path, method, samples=512)
    train_motion(run)
    assert pd.read_csv(run.folder / "evaluations.csv")["joint_error"].notna().all()


def test_the_table_is_made_by_one_command_and_goes_on(tmp_path, monkeypatch):
    few = tuple(row._replace(episodes=2) for row in simulators.SIMULATOR_ROWS[:1])
    monkeypatch.setattr(simulators, "SIMULATOR_ROWS", few)
    monkeypatch.setattr(table, "VIDEO_SECONDS", 0.3)
    out, docs = tmp_path / "runs", tmp_path / "docs"
    for method in ("VAIL-difference", "DeepMimic"):
        table.train_and_evaluate(small_run(out, method), lambda done, note: None)
    arguments = ["reproduce", "motion-imitation", "--out", str(out), "--docs", str(docs)]
    result = CliRunner().invoke(main, [*arguments, "--table-only"])
    assert result.exit_code == 0, result.output
    assert result.output.strip().endswith("report.html")
    summary = pd.read_csv(docs / "summary.csv")
    assert summary["method"].tolist() == ["DeepMimic", "VAIL-difference"]
    assert summary["paper's error"].iloc[0] == 0.14
    monkeypatch.setattr(robust, "evaluate_pushes", partial(evaluate_pushes, forces=(50.0,), n=2))
    monkeypatch.setattr(robust, "evaluate_plants", partial(evaluate_plants, plants={"x": {}}, n=2))
    pushed = CliRunner().invoke(main, ["reproduce", "motion-robustness", "--out", str(out)])
    assert pushed.exit_code == 0, pushed.output
    pushes = pd.read_csv(out / "pushes.csv")
    assert pushes["method"].tolist() == ["DeepMimic", "VAIL-difference", robust.SHIPPED]
    assert len(pd.read_csv(out / "plants.csv")) == 3
    page = (out / "report.html").read_text()
    assert page.count("<img") == 3 + 2  # figures, then one film a cell
    assert {path.name for path in (out / "pictures").glob("*.gif")} == {
        "Run_DeepMimic_0.gif",
        "Run_VAIL-difference_0.gif",
    }


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--skill", "Fly", "HumanoidFly"), ("--method", "VAIL-magic", "VAIL-magic")],
)
def test_the_command_names_what_it_does_not_know(option, value, message):
    result = CliRunner().invoke(main, ["reproduce", "motion-imitation", option, value])
    assert result.exit_code == 2
    assert message in result.output


def test_a_clip_of_ones_own_becomes_a_policy_and_a_film_by_one_command(tmp_path):
    arguments = ["train", "vail", "sb3_vdb/HumanoidMocap-v0", "--clip", "kick"]
    arguments += ["--samples", "2048", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "rad," in result.output
    folder = tmp_path / "Mocap_VAIL-difference_0"
    assert (folder / "video.gif").stat().st_size > 1000
    policy = ["evaluate", str(folder / "policy.pt"), "sb3_vdb/HumanoidMocap-v0"]
    again = CliRunner().invoke(main, [*policy, "--arg", "clip=kick", "--episodes", "2"])
    assert again.exit_code == 0, again.output
    other = CliRunner().invoke(main, [*arguments[:4], "punch", *arguments[5:]])
    assert "holds a run with clip" in other.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sb3_vdb/CMaze-v0"], "has no motion clip to learn from"),
        (["sb3_vdb/BulletHumanoidRun-v0"], "has no motion clip to learn from in MuJoCo"),
        (["sb3_vdb/HumanoidMocap-v0"], "needs a clip"),
        (["sb3_vdb/HumanoidRun-v0", "--clip", "walk"], "has its own clip"),
        (["sb3_vdb/HumanoidMocap-v0", "--clip", "fly"], "neither a file nor a known clip"),
    ],
)
def test_what_cannot_be_trained_is_refused(arguments, message, tmp_path):
    result = CliRunner().invoke(main, ["train", "vail", *arguments, "--out", str(tmp_path)])
    assert result.exit_code != 0
    assert message in result.output


def test_cloning_takes_so_many_samples_of_the_shipped_policy(tmp_path, monkeypatch):
    monkeypatch.setattr(cloning, "N_SAMPLES", 700)
    monkeypatch.setattr(cloning, "N_UPDATES", 20)
    monkeypatch.setattr(
        simulators, "SIMULATOR_ROWS", (simulators.SIMULATOR_ROWS[0]._replace(episodes=2),)
    )
    run = small_run(tmp_path, "BC")
    table.train_and_evaluate(run, lambda done, note: None)
    row = pd.read_csv(run.folder / "evaluations.csv").iloc[0]
    assert row["samples"] == 700
    assert row["seconds"] > 0
    assert pd.read_csv(run.folder / "simulators.csv")["pose_error"].notna().all()
