"""The transfer between mazes: demonstration job, table, their reports, and the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch as th
from click.testing import CliRunner
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import nn

from sb3_vdb import Demonstrations, RecoveredReward, cli, make_vec_env
from sb3_vdb.evaluation.curves import read_curve
from sb3_vdb.evaluation.reward_maps import reward_map
from sb3_vdb.experiments import documentation_pictures
from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.framework.plots import new_figure
from sb3_vdb.experiments.framework.run import versions_of
from sb3_vdb.experiments.maze_transfer import (
    curves,
    demo,
    phases,
    pictures,
    policies,
    results,
    runs,
    study,
    table,
)
from sb3_vdb.experiments.maze_transfer.presets import preset
from sb3_vdb.experiments.maze_transfer.report import write_demo_report
from sb3_vdb.experiments.maze_transfer.results import TransferPlan
from sb3_vdb.experiments.maze_transfer.runs import Cell, result_rows
from sb3_vdb.experiments.maze_transfer.settings import (
    IMITATION,
    MAZE_METHODS,
    PAPER_RETURNS,
    WITH_BOTTLENECK,
    TransferSettings,
)
from sb3_vdb.extractors import BoundsExtractor
from sb3_vdb.trpo import FisherTRPO, LinearBaselineTRPO
from sb3_vdb_envs import ENVIRONMENTS
from sb3_vdb_envs.maze import WaypointController
from tests.browser import check_page
from tests.conftest import heed_interrupts
from tests.experiments.conftest import SHORT, do_jobs_here, quiet

COMMAND = [sys.executable, "-m", "sb3_vdb.cli"]


def small_preset(name, maze) -> TransferSettings:
    """A preset with fewer mazes and iterations, and one retraining."""
    settings = preset(name, maze)
    fewer = {
        key: replace(phase, mazes=10, iterations=80) for key, phase in settings.phases().items()
    }
    return replace(
        settings,
        **fewer,
        demos_per_policy=10,
        n_disc_updates_per_round=10,
        max_retrainings=1,
        snapshot_every=1,
    )


DEMO = [small_preset("demo", "C").shortened(0.02)]


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> Path:
    """A finished, very short run."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    with pytest.MonkeyPatch.context() as patch:
        do_jobs_here(patch)
        page = demo.run_demo(folder, 0, DEMO)
    assert page == folder / "report.html"
    return folder


@pytest.mark.slow
def test_the_job_leaves_results_logs_rewards_and_pictures(run_folder):
    for settings in DEMO:
        cell = Cell(run_folder, settings, 0)
        config = json.loads((cell.folder / "config.json").read_text())
        assert config["seed"] == 0
        assert config["versions"]["torch"]
        for method in demo.DEMO_METHODS:
            result = json.loads((cell.folder / method / "result.json").read_text())
            assert -70 < result["transfer_return"] < 184
            assert len(result["retrainings"]) == 1
            curve = read_curve(cell.folder / method / "irl", "rollout/ep_rew_mean")
            assert len(curve) == settings.irl.iterations
            cell.reward(method)
        names = {path.name for path in (cell.folder / "pictures").iterdir()}
        assert names == {"curves.png", "bottleneck.png", "policies.gif"}
        rows = result_rows(cell, demo.DEMO_METHODS)
        assert [row["name"] for row in rows] == [
            "expert (training maze)",
            *demo.DEMO_METHODS,
            "random actions",
        ]
    assert (run_folder / "rewards.png").exists()


@pytest.mark.slow
def test_running_again_keeps_what_is_finished(run_folder, monkeypatch):
    do_jobs_here(monkeypatch)
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("result.json")}
    assert len(before) >= 4
    demo.run_demo(run_folder, 0, DEMO)
    assert {path: path.stat().st_mtime_ns for path in run_folder.rglob("result.json")} == before


@pytest.mark.slow
def test_a_folder_with_another_run_is_refused(run_folder):
    other = [replace(DEMO[0], disc_learning_rate=1e-3)]
    with pytest.raises(ValueError, match=r"holds a run with disc_learning_rate 0.0001, .* 0.001"):
        demo.run_demo(run_folder, 0, other)


def test_the_report_shows_every_maze(trained_cell, monkeypatch):
    """Of two cells; one method has not finished in the second."""
    other = replace(trained_cell, seed=1)
    shutil.copytree(trained_cell.folder, other.folder)
    (other.folder / "VAIL" / "result.json").unlink()
    films, maps = [], []
    monkeypatch.setattr(pictures, "animation", lambda cell, *_: films.append(cell.name))
    monkeypatch.setattr(pictures, "heat_maps", lambda shown, path: maps.append(list(shown)))
    for plot in ("learning_curves", "bottleneck_curves"):
        monkeypatch.setattr(curves, plot, lambda *_: None)
    cells, methods = [trained_cell, other], ["AIRL", "VAIL"]
    tables = [[demo.in_words(row) for row in result_rows(cell, methods)] for cell in cells]
    page = write_demo_report(trained_cell.out, cells, methods, tables).read_text()
    assert films == ["C_0", "C_1"]
    assert maps == [["C, AIRL", "C, VAIL"]]  # of one maze and method once
    for cell in cells:
        assert f'src="{cell.name}/pictures/curves.png"' in page
        assert f'href="{cell.name}/AIRL/result.json"' in page
    assert page.count("VAIL has not finished") == 1
    assert "a policy\nstuck under the first wall -26.5" in page


def test_the_demo_is_best_without_second_tries():
    for maze in ("C", "S"):
        once = replace(preset("best", maze), max_rewards=1, max_retrainings=1)
        assert preset("demo", maze) == once


def test_the_demos_long_jobs_come_first():
    cells = [Cell(Path(), preset("demo", maze), 0) for maze in ("C", "S")]
    names = [[job.name for job in jobs] for jobs in demo._stages(cells, ["VAIRL-GP", "AIRL"])]
    experts = ["S_0 expert", "C_0 expert"]
    assert names == [experts, ["S_0 VAIRL-GP", "S_0 AIRL", "C_0 VAIRL-GP", "C_0 AIRL"]]


@pytest.mark.slow
def test_a_failing_worker_is_reported(tmp_path, monkeypatch):
    do_jobs_here(monkeypatch)
    (tmp_path / "C_0" / "expert").mkdir(parents=True)
    (tmp_path / "C_0" / "expert" / "demonstrations.npz").write_bytes(b"broken")
    with pytest.raises(RuntimeError, match="truncated, damaged"):
        demo.run_demo(tmp_path, 0, DEMO)


@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_goes_on(tmp_path):
    """Interrupted during inverse RL, the job ends at once, reports what it has, and finishes when
    run again.
    """
    folder = tmp_path / "run" / "C_0"
    command = [
        *COMMAND,
        "demo",
        "--out",
        str(tmp_path / "run"),
        "--share",
        "0.25",
        "--maze",
        "C",
        "--method",
        "AIRL",
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    deadline = time.monotonic() + 300
    while not list(folder.glob("AIRL/irl/checkpoint_*.zip")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "the same command goes on" in output
    Demonstrations.load(folder / "expert" / "demonstrations.npz")
    assert "AIRL has not finished" in (tmp_path / "run" / "report.html").read_text()
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "random actions" in result.stdout
    curve = read_curve(folder / "AIRL" / "irl", "rollout/ep_rew_mean")
    np.testing.assert_array_equal(curve["step"], 3000 * np.arange(1, 26))


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_opens_in_a_browser(run_folder, width):
    assert "VAIRL-GP" in check_page(run_folder / "report.html", width, 4)


@pytest.fixture(scope="session")
def table_folder(tmp_path_factory) -> Path:
    """A finished, very short table of two mazes, three methods, two seeds and snapshots."""
    folder = tmp_path_factory.mktemp("table") / "run"
    arguments = ["--preset", "demo", "--share", "0.03", "--seeds", "2", "--out", str(folder)]
    for method in ("VAIL", "AIRL-GP", "VAIRL", "VAIRL"):  # once is enough
        arguments += ["--method", method]
    with pytest.MonkeyPatch.context() as patch:
        do_jobs_here(patch)
        patch.setattr(study, "preset_of", small_preset)
        result = CliRunner().invoke(
            cli.main, ["reproduce", "maze-transfer", *arguments, "--docs", str(folder / "docs")]
        )
    assert result.exit_code == 0, result.output
    return folder


@pytest.mark.slow
def test_the_table_has_every_run_beside_the_papers(table_folder):
    rows = pd.read_csv(table_folder / "table.csv")
    assert len(rows) == 2 * 3 * 2
    assert set(rows["verdict"]) <= {"solved", "unknown"}  # the guides are as short
    summary = pd.read_csv(table_folder / "summary.csv")
    row = summary[(summary["maze"] == "S") & (summary["method"] == "VAIRL")].iloc[0]
    chosen = rows[(rows["maze"] == "S") & (rows["method"] == "VAIRL")]["transfer_return"]
    assert row["IQM"] == pytest.approx(chosen.mean(), abs=0.01)  # of two: nothing is cut
    assert row["smallest"] == pytest.approx(chosen.min(), abs=0.01)
    assert row["paper"] == PAPER_RETURNS["VAIRL"]["S"][0]
    for name in ("C_seeds.png", "S_rewards_VAIRL.png", "C_bottleneck.png", "S_returns.png"):
        assert (table_folder / "docs" / name).stat().st_size > 5000
    curves = pd.read_csv(table_folder / "docs" / "C_curves.csv")
    assert {"rollout/ep_rew_mean", "discriminator/kl"} <= set(curves["key"])


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_tables_page_opens_in_a_browser(table_folder, width):
    text = check_page(table_folder / "report.html", width, 8)
    assert "AIRL-GP, seed 1" in text


@pytest.mark.slow
def test_snapshots_are_retrained_on_and_shown(table_folder, tmp_path):
    table_folder = shutil.copytree(table_folder, tmp_path / "run")  # others look at it as it is
    settings = [small_preset("demo", "C").shortened(0.03)]
    path = table_folder / "C_0" / "VAIL" / "irl"
    reward = (path / "reward.pt").read_bytes()
    for n in (1, 2):
        (path / f"reward_{n:04d}.pt").write_bytes(reward)
    plan = TransferPlan(table_folder, settings, ["VAIL"], [0], snapshot_seeds=1)
    for cell, method, n in plan.snapshots():
        runs.run_snapshot(cell, method, n, lambda done, note: None)
    snapshots = results.collect_snapshots(plan)
    assert snapshots["round"].tolist() == [1, 2, 3]
    assert snapshots["transfer_return"].nunique() == 1  # the same reward and seed each time
    docs = table_folder / "snapshots"
    shutil.copytree(table_folder / "docs", docs)
    before = {path.name: path.read_text() for path in docs.glob("*.csv")}
    table.write_results(plan, docs)
    assert (docs / "C_snapshots.png").stat().st_size > 5000
    # what this run has nothing of stays: other methods, the other maze
    kept = pd.read_csv(docs / "table.csv")
    runs_before = pd.read_csv(table_folder / "docs" / "table.csv")
    by = ["maze", "method", "seed"]
    of_others = ~((kept["maze"] == "C") & (kept["method"] == "VAIL"))
    were = ~((runs_before["maze"] == "C") & (runs_before["method"] == "VAIL"))
    others = kept[of_others].sort_values(by).reset_index(drop=True)
    assert others.equals(runs_before[were].sort_values(by).reset_index(drop=True))
    assert kept[~of_others]["seed"].tolist() == [0]
    curves = pd.read_csv(docs / "C_curves.csv")
    assert set(curves["method"]) == {"expert", "VAIL", "AIRL-GP", "VAIRL"}
    assert (docs / "S_curves.csv").read_text() == before["S_curves.csv"]


@pytest.mark.slow
@pytest.mark.parametrize("baseline", ["critic", "linear"])
def test_a_phase_that_is_killed_goes_on_exactly(tmp_path, baseline, monkeypatch):
    """Stopped after a checkpoint, it takes the steps that are missing, and ends bit for bit where
    it would have ended.
    """

    class Stop(Exception):
        pass

    monkeypatch.setattr(policies, "CHECKPOINT_EVERY", 3)
    settings = replace(preset("demo", "C").expert, iterations=9, mazes=4, baseline=baseline)
    venv = make_vec_env("sb3_vdb/CMaze-v0", 4, seed=0)
    quiet = policies.PhaseReport(lambda done, note: None, "expert")
    whole = policies.learn_policy(venv, settings, 0, tmp_path / "whole", quiet)
    venv = make_vec_env("sb3_vdb/CMaze-v0", 4, seed=0)

    def stop(done, note):
        if done >= 8 * 400:
            raise Stop

    with pytest.raises(Stop):
        policies.learn_policy(venv, settings, 0, tmp_path, policies.PhaseReport(stop, "expert"))
    assert (tmp_path / "checkpoint.zip").exists()
    seen = []
    report = policies.PhaseReport(lambda done, note: seen.append(done), "expert")
    venv = make_vec_env("sb3_vdb/CMaze-v0", 4, seed=0)
    model = policies.learn_policy(venv, settings, 0, tmp_path, report)
    assert seen[0] == 7 * 400
    assert model.num_timesteps == 9 * 400
    for name, value in whole.policy.state_dict().items():
        assert th.equal(model.policy.state_dict()[name], value), name
    curve = read_curve(tmp_path, "rollout/ep_rew_mean")
    assert curve["step"].is_monotonic_increasing
    assert curve["step"].iloc[-1] == 9 * 400


def test_demonstrations_of_different_policies_have_noise_of_their_own(cell):
    demos = Demonstrations.load(cell.folder / "expert" / "demonstrations.npz")
    assert len(demos) == 10
    assert (cell.folder / "expert" / "policy_0002.zip").exists()
    first, second = (np.stack([each.actions for each in demos[i : i + 5]]) for i in (0, 5))
    correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert abs(correlation) < 0.2


def test_an_expert_killed_while_it_is_recorded_is_not_trained_again(cell):
    (cell.folder / "expert" / "demonstrations.npz").unlink()
    before = Demonstrations.load
    seen = []
    runs.run_expert(cell, lambda *each: seen.append(each))
    assert not seen
    assert len(before(cell.folder / "expert" / "demonstrations.npz")) == 10


@pytest.mark.parametrize("method", ["VAIRL-GP", "GAIL"])
def test_inverse_rl_that_is_killed_goes_on_exactly(cell, method, monkeypatch):
    monkeypatch.setattr(phases, "CHECKPOINT_EVERY", 2)
    demos = Demonstrations.load(cell.folder / "expert" / "demonstrations.npz")

    class Stop(Exception):
        pass

    def stop(done, note):
        if done >= 3 * 400:
            raise Stop

    whole, stopped = cell.out / "whole", cell.out / "stopped"
    phases.learn_reward(method, SHORT, demos, 1, whole, quiet)
    with pytest.raises(Stop):
        phases.learn_reward(method, SHORT, demos, 1, stopped, stop)
    assert list(stopped.glob("checkpoint_*.zip"))
    seen = []
    phases.learn_reward(method, SHORT, demos, 1, stopped, lambda done, note: seen.append(done))
    assert seen[0] == 3 * 400
    positions = np.random.default_rng(0).random((50, 2), np.float32)
    for name in ("reward.pt", "reward_0003.pt"):
        rewards = [
            RecoveredReward.load(folder / name).of_states(positions, phases.NO_FORCE)
            for folder in (whole, stopped)
        ]
        np.testing.assert_array_equal(*rewards)
    assert (whole / "result.json").read_text() == (stopped / "result.json").read_text()
    assert not list(stopped.glob("checkpoint_*.zip"))


def test_snapshots_are_of_their_round_and_retrained_on(trained_cell):
    cell = trained_cell
    irl = cell.folder / "AIRL" / "irl"
    assert sorted(path.name for path in irl.glob("reward_*.pt")) == [
        f"reward_{n:04d}.pt" for n in (1, 2, 3)
    ]
    positions = np.random.default_rng(0).random((50, 2), np.float32)
    maps = [RecoveredReward.load(path).of_states(positions) for path in irl.glob("reward*.pt")]
    assert len({each.tobytes() for each in maps}) == 4
    for n in (1, 3):
        runs.run_snapshot(cell, "AIRL", n, quiet)
    folder = cell.folder / "AIRL" / "snapshots"
    learned = [
        json.loads((folder / f"reward_{n:04d}" / "result.json").read_text())["learned_return"]
        for n in (1, 3)
    ]
    assert learned[0] != learned[1]
    claimed = replace(SHORT, snapshot_every=1)
    plan = TransferPlan(cell.out, [claimed], ["AIRL"], [0], snapshot_seeds=1)
    assert results.collect_snapshots(plan)["round"].tolist() == [1, 3, 4]


def test_a_retraining_is_stuck_that_settles_below_the_demonstrators(trained_cell):
    cell = trained_cell
    demos = Demonstrations.load(cell.folder / "expert" / "demonstrations.npz")
    reward = RecoveredReward.load(cell.folder / "AIRL" / "irl" / "reward.pt")
    late = np.concatenate([each.observations[-phases.LATE_STEPS :] for each in demos])
    goal = reward.of_states(late, phases.NO_FORCE).mean()
    assert phases.settled_reward(reward, demos) == pytest.approx(goal, rel=1e-4)
    result = json.loads((cell.folder / "AIRL" / "result.json").read_text())
    span = np.ptp(phases.map_of(reward, SHORT.test_env).rewards)
    for shortfall, n_retrainings in ((result["shortfall"] + 1e-6, 1), (-10.0, 3)):
        settings = replace(SHORT, stuck_shortfall=shortfall, max_retrainings=3)
        folder = cell.out / str(n_retrainings)
        figures = phases.retrain(settings, reward, demos, 200, folder, quiet)
        assert figures["stuck"] == (n_retrainings == 3)
        assert len(figures["retrainings"]) == n_retrainings
        assert figures["learned_return"] == max(figures["retrainings"])
    # what it settles at, from its own episodes without noise
    model = policies.learn_policy(
        make_vec_env(SHORT.test_env, 4),
        SHORT.retraining,
        200,
        cell.out / "1" / "attempt_0",
        policies.PhaseReport(quiet, ""),
    )
    episodes = Demonstrations.from_rollouts(
        model, make_vec_env(SHORT.test_env, 50, seed=700), 50, deterministic=True
    )
    settled = phases.settled_reward(reward, episodes)
    assert result["shortfall"] == pytest.approx((goal - settled) / span, abs=0.02)


def test_one_that_is_not_stuck_is_kept_whatever_the_others_earned(trained_cell, monkeypatch):
    cell = trained_cell
    demos = Demonstrations.load(cell.folder / "expert" / "demonstrations.npz")
    reward = RecoveredReward.load(cell.folder / "AIRL" / "irl" / "reward.pt")
    settings = replace(SHORT, max_retrainings=3, stuck_shortfall=0.1)
    made = phases._retrain_once(
        settings, reward, 0.0, 0, cell.out / "once", policies.PhaseReport(quiet, "")
    )

    def attempts(*figures):
        left = [
            made._replace(
                shortfall=shortfall,
                result=replace(made.result, learned_returns=np.full(3, learned)),
            )
            for shortfall, learned in figures
        ]
        monkeypatch.setattr(phases, "_retrain_once", lambda *_: left.pop(0))
        return phases.retrain(settings, reward, demos, 0, cell.out / "r", quiet)

    figures = attempts((0.3, 5.0), (0.05, 1.0), (0.0, 9.0))
    assert (figures["kept"], figures["stuck"], figures["learned_return"]) == (1, False, 1.0)
    figures = attempts((0.3, 5.0), (0.2, 7.0), (0.5, 6.0))
    assert (figures["kept"], figures["stuck"], figures["learned_return"]) == (1, True, 7.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward_top": "goal"}, "`reward_top` must be one of map, demonstrators, got 'goal'"),
        ({"max_rewards": 0}, "`max_rewards` must be at least 1, got 0"),
        ({"max_retrainings": 0}, "`max_retrainings` must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        SHORT.changed(changes)


def test_a_reward_on_which_every_retraining_is_stuck_is_learned_again(tmp_path, cell, monkeypatch):
    never = replace(SHORT, stuck_shortfall=-10.0, max_retrainings=2, max_rewards=3)
    again = Cell(cell.out, never, 0)
    runs.run_method(again, "AIRL", quiet)
    folder = again.folder / "AIRL"
    result = json.loads((folder / "result.json").read_text())
    assert (result["n_rewards"], result["stuck"], result["n_retrainings"]) == (3, True, 6)
    kept = ["irl", "irl_stuck_0", "irl_stuck_1"]
    assert sorted(path.name for path in folder.glob("irl*")) == kept
    rewards = [(folder / name / "reward.pt").read_bytes() for name in kept]
    assert len(set(rewards)) == 3
    # killed between the two renamings, it does not begin from the start
    (folder / "result.json").unlink()
    shutil.rmtree(folder / "irl")
    shutil.rmtree(folder / "retraining")
    (folder / "retraining_stuck_1").rename(folder / "retraining")
    trained = []
    monkeypatch.setattr(
        runs, "learn_reward", lambda *args: trained.append(args[3]) or phases.learn_reward(*args)
    )
    runs.run_method(again, "AIRL", quiet)
    assert trained == [102]
    assert json.loads((folder / "result.json").read_text())["n_rewards"] == 3
    # one that is not stuck is kept
    good = Cell(tmp_path / "good", replace(never, stuck_shortfall=10.0), 0)
    phases.train_expert(good.settings, 0, good.folder / "expert", quiet)
    runs.run_method(good, "AIRL", quiet)
    assert json.loads((good.folder / "AIRL" / "result.json").read_text())["n_rewards"] == 1


def test_the_top_of_the_reward_is_the_maps_or_the_demonstrators(cell, tmp_path):
    demos = Demonstrations.load(cell.folder / "expert" / "demonstrations.npz")
    trainer = phases.make_trainer("AIRL", SHORT, demos, 0, tmp_path / "log")
    raw = trainer.recovered_reward()
    highest = phases.standardized(trainer, SHORT, demos)
    assert phases.map_of(highest, SHORT.train_env).rewards.max() == pytest.approx(0.0, abs=1e-5)
    settings = replace(SHORT, reward_top="demonstrators", reward_power=0.5)
    flat = phases.standardized(trainer, replace(settings, reward_power=1.0), demos)
    paid = phases.standardized(trainer, settings, demos)
    scale = phases.map_of(raw, SHORT.train_env).rewards.std()
    top = phases.settled_reward(raw, demos)
    positions = np.random.default_rng(0).uniform(-0.1, 0.6, (200, 2)).astype(np.float32)
    expected = (raw.of_states(positions, phases.NO_FORCE) - top) / scale
    assert (expected > 0.0).any()  # nothing is paid for more than where they settle
    np.testing.assert_allclose(
        flat.of_states(positions, phases.NO_FORCE), np.minimum(expected, 0.0), atol=1e-4
    )
    np.testing.assert_allclose(
        paid.of_states(positions, phases.NO_FORCE),
        -np.sqrt(np.maximum(-expected, 0.0)),
        atol=2e-3,
    )


def test_a_failed_run_costs_no_other_and_the_table_is_written(tmp_path, monkeypatch):
    """The expert of one seed cannot be recorded; the other seed goes on, then the command fails."""
    do_jobs_here(monkeypatch)
    settings = replace(SHORT, max_retrainings=1)
    bad = Cell(tmp_path, settings, 1).folder / "expert"
    bad.mkdir(parents=True)
    (bad / "checkpoint.zip").write_bytes(b"PK broken")
    plan = TransferPlan(tmp_path, [settings], ["AIRL"], [0, 1])
    with pytest.raises(RuntimeError, match=r"1 of 3 jobs failed .*delete it, and its phase begins"):
        table.run_table(plan, Workers(2))
    assert pd.read_csv(tmp_path / "table.csv")["seed"].tolist() == [0]
    assert (tmp_path / "report.html").exists()
    versions = json.loads((tmp_path / "versions.json").read_text())
    assert versions["torch"] == th.__version__


def test_tables_of_forces_that_were_never_scripted_are_written(trained_cell):
    cell = trained_cell
    settings = replace(SHORT, test_force_limit=0.7)
    table.write_results(TransferPlan(cell.out, [settings], ["VAIL"], [0]))
    assert "scripted controller" not in (cell.out / "report.html").read_text()


def test_a_page_of_one_maze_shows_one_maze(trained_cell):
    cell = trained_cell
    plan = TransferPlan(cell.out, [SHORT, preset("demo", "S")], ["VAIL"], [0])
    rows = table.write_results(plan)
    assert rows["verdict"].tolist() == ["unknown"]  # there is no guide
    page = (cell.out / "report.html").read_text()
    assert "C-maze" in page
    assert "S-maze" not in page
    assert "snapshots" not in page


@pytest.mark.parametrize("maze", ["C", "S"])
@pytest.mark.parametrize("name", ["demo", "paper", "authors-code", "best"])
def test_presets_survive_a_file(name, maze, tmp_path):
    cell = Cell(tmp_path, preset(name, maze), 0)
    cell.claim()
    Cell(tmp_path, preset(name, maze), 0).check()
    with pytest.raises(ValueError, match=r"holds a run with beta 0\.005, asked for is 0\.5"):
        replace(cell, settings=replace(cell.settings, beta=0.5)).check()


def test_a_run_of_a_version_with_fewer_settings_goes_on(tmp_path):
    cell = Cell(tmp_path, preset("paper", "C"), 0)
    cell.claim()
    path = cell.folder / "config.json"
    older = json.loads(path.read_text())
    del older["scaled_inputs"], older["irl"]["scaled_inputs"]
    path.write_text(json.dumps(older))
    cell.claim()
    with pytest.raises(ValueError, match="holds a run with scaled_inputs True, asked for is False"):
        replace(cell, settings=replace(cell.settings, scaled_inputs=False)).claim()
    assert json.loads(path.read_text()) == older


def test_the_table_names_the_versions_of_its_runs(trained_cell):
    versions = trained_cell.folder / "AIRL" / "versions.json"
    versions.write_text(json.dumps([{"commit": "two"}, {"commit": "three"}]))
    trained_cell.claim()
    config = trained_cell.folder / "config.json"
    arguments = json.loads(config.read_text())
    config.write_text(json.dumps({**arguments, "versions": {"commit": "one"}}))
    for other in ("expert", "VAIL"):
        (trained_cell.folder / other / "versions.json").unlink()
    assert [each["commit"] for each in trained_cell.versions()] == ["one", "two", "three"]
    plan = TransferPlan(trained_cell.out, [SHORT], ("AIRL",), [0])
    table.write_results(plan)
    written = json.loads((plan.out / "versions.json").read_text())
    assert written == versions_of([trained_cell]) == {"commit": "one, three, two"}


def test_a_reward_that_was_put_aside_is_not_learned_again(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "learn_reward", lambda *_: pytest.fail("learned again"))
    cell = Cell(tmp_path, preset("best", "C"), 0)
    for name in ("irl_stuck_0", "retraining_stuck_0"):
        (cell.folder / "VAIRL-GP" / name).mkdir(parents=True)
    runs.run_reward(cell, "VAIRL-GP", lambda *_: None)
    assert not (cell.folder / "VAIRL-GP" / "irl").exists()


def newtons(settings: TransferSettings) -> list[float]:
    """Initial spread of forces in every phase."""
    limit = settings.train_mazes(1, 0).get_attr("layout")[0].force_limit
    return [each.std * limit for each in (settings.expert, settings.irl, settings.retraining)]


def test_the_papers_numbers():
    c, s = preset("paper", "C"), preset("paper", "S")
    for settings in (c, s):
        assert settings.expert.iterations == settings.irl.iterations == 200
        assert settings.irl.steps == 200 * 10_000
        for phase in (settings.expert, settings.irl, settings.retraining):
            assert (phase.activation, phase.baseline, phase.gae_lambda) == ("relu", "critic", 0.97)
        assert settings.expert.target_kl == settings.irl.target_kl == 0.01
        assert settings.n_disc_updates_per_round == 100
        assert settings.demo_batch_size == 32
        assert settings.disc_learning_rate == settings.gail_learning_rate == 5e-5
        assert (settings.demo_policies, settings.demos_per_policy) == (5, 107)
        assert (settings.beta, settings.beta_step_size) == (0.005, 1e-5)
        assert (settings.grad_penalty_target, settings.potential_gamma) == ("logits", None)
        assert settings.force_limit is settings.test_force_limit is None
        assert (settings.max_rewards, settings.max_retrainings) == (1, 1)
        assert settings.reward_power == 1.0
    assert (c.information_limit, c.grad_penalty_coef) == (0.5, 0.1)
    assert (s.information_limit, s.grad_penalty_coef) == (0.05, 0.01)
    assert c.retraining.steps == 2_000_000
    assert s.retraining.steps == 400 * 50_000
    assert (c.retraining.target_kl, s.retraining.target_kl) == (0.01, 0.001)
    assert newtons(c) == [1.0] * 3
    assert newtons(s) == [2.0] * 3  # the authors' code


def test_the_numbers_of_the_authors_code():
    c, s = preset("authors-code", "C"), preset("authors-code", "S")
    for settings in (c, s):
        for phase in (settings.expert, settings.irl, settings.retraining):
            assert (phase.gae_lambda, phase.baseline, phase.activation) == (1.0, "linear", "tanh")
        assert settings.n_disc_updates_per_round == 50
        assert (settings.disc_learning_rate, settings.gail_learning_rate) == (5e-5, 1e-3)
        assert (settings.demo_policies, settings.demos_per_policy) == (5, 100)
        assert settings.grad_penalty_target == "terms"
        assert settings.force_limit is settings.test_force_limit is None
        assert settings.potential_gamma == 1.0
        assert (settings.beta, settings.beta_step_size) == (0.005, 1e-5)
    assert s.irl.steps == 200 * 50_000
    assert newtons(c) == [1.0] * 3
    assert newtons(s) == [2.0] * 3
    for settings in (c, s):
        assert not settings.scaled_inputs
        assert not settings.irl.scaled_inputs


@pytest.mark.parametrize(
    ("name", "algorithm", "activation", "gae_lambda", "extractor"),
    [
        ("paper", FisherTRPO, nn.ReLU, 0.97, BoundsExtractor),
        ("authors-code", LinearBaselineTRPO, nn.Tanh, 1.0, FlattenExtractor),
    ],
)
def test_settings_of_a_phase_arrive_at_trpo(name, algorithm, activation, gae_lambda, extractor):
    venv = make_vec_env("sb3_vdb/SMaze-v0", 8, seed=0)
    settings = replace(preset(name, "S").retraining, ent_coef=0.1)
    model = policies.make_trpo(venv, settings, seed=3)
    assert type(model) is algorithm
    assert model.target_kl == 0.001 / 2  # SB3's divergence is a mean over the two forces
    assert (model.gamma, model.gae_lambda, model.ent_coef) == (0.99, gae_lambda, 0.1)
    assert (model.n_steps, model.cg_max_steps, model.seed) == (100, 10, 3)
    assert th.allclose(model.policy.log_std.exp(), th.tensor(settings.std))
    layers = [type(each) for each in model.policy.mlp_extractor.policy_net]
    assert layers == [nn.Linear, activation] * 2
    assert [each.out_features for each in model.policy.mlp_extractor.policy_net[::2]] == [32, 32]
    assert type(model.policy.features_extractor) is extractor


@pytest.mark.parametrize(
    ("maze", "force", "expected"), [("S", 1.0, 153.4), ("S", None, 183.4), ("C", None, -4.2)]
)
def test_the_scripted_controller_has_the_forces_of_the_flipped_maze(maze, force, expected):
    settings = replace(preset("paper", maze), test_force_limit=force)
    assert phases.scripted_return(settings) == pytest.approx(expected, abs=0.15)
    venv = settings.test_mazes(1, 0)
    controller = WaypointController(venv.get_attr("layout")[0])
    played = phases.evaluate_returns(controller, venv, 1).mean
    assert played == pytest.approx(expected, abs=0.15)


def test_each_maze_has_its_own_forces():
    settings = preset("demo", "S")
    assert settings.guide == settings.expert
    settings = replace(settings, force_limit=2.0, test_force_limit=3.0)
    assert settings.guide == replace(settings.expert, std=settings.retraining.std)
    assert phases.scripted_return(settings) is None  # pictures and page do without
    for make, force in ((settings.train_mazes, 2.0), (settings.test_mazes, 3.0)):
        assert [each.force_limit for each in make(1, 0).get_attr("layout")] == [force]


@pytest.mark.parametrize("arguments", [("fast", "C"), ("paper", "B")])
def test_unknown_presets_and_mazes_are_refused(arguments):
    with pytest.raises(ValueError, match=r"must be one of .*, got '(fast|B)'"):
        preset(*arguments)


@pytest.mark.parametrize(("maze", "limit", "weight"), [("C", 0.5, 0.1), ("S", 0.05, 0.01)])
@pytest.mark.parametrize("method", MAZE_METHODS)
def test_every_method_is_made_as_the_paper_says(method, maze, limit, weight, tmp_path):
    settings = preset("paper", maze)
    settings = replace(settings, irl=replace(settings.irl, mazes=4), gail_learning_rate=1e-3)
    demos = Demonstrations.from_rollouts(
        phases._RandomPolicy(venv := make_vec_env(settings.train_env, 4)), venv, 4
    )
    trainer = phases.make_trainer(method, settings, demos, 0, tmp_path)
    algorithm = MAZE_METHODS[method].algorithm
    assert type(trainer) is algorithm
    has_bottleneck, sees_actions = algorithm in WITH_BOTTLENECK, algorithm in IMITATION
    assert has_bottleneck == method.startswith("V")
    assert sees_actions == ("IRL" not in method)
    assert trainer.settings.demo_batch_size == 32
    assert trainer.settings.n_disc_updates_per_round == 100
    assert trainer.settings.disc_learning_rate == (1e-3 if sees_actions else 5e-5)
    assert trainer.settings.grad_penalty_target == "logits"
    assert trainer.discriminator.trunk_kwargs == {"net_arch": (32, 32)}
    if has_bottleneck:
        assert trainer.dual.information_limit == limit
        assert trainer.discriminator.code_dim == 32
        free = method.endswith("beta0")
        expected = (0.0, 0.0) if free else (0.005, 1e-5)
        assert (trainer.dual.beta, trainer.dual.beta_step_size) == expected
    if not sees_actions:
        assert trainer.reward_type == "g"
        assert trainer.discriminator.gamma == 0.99
    assert ("actions" in trainer.discriminator.view.sees) == sees_actions
    assert (trainer.dual is not None) == has_bottleneck
    assert trainer.settings.grad_penalty_coef == (weight if method.endswith("GP") else 0.0)
    if sees_actions:
        assert trainer.reward_type == "log_d"


def test_a_stuck_run_is_blamed_on_what_failed():
    stuck = {"transfer_return": -26.0, "learned_return_deterministic": -80.0}
    assert results.verdict("C", stuck, guide_return=-20.0) == "optimiser"
    assert results.verdict("C", stuck, guide_return=-120.0) == "reward"
    assert results.verdict("C", {**stuck, "transfer_return": -9.0}, -120.0) == "solved"
    assert results.verdict("C", stuck, guide_return=None) == "unknown"


@pytest.mark.slow
def test_the_table_says_what_failed(table_folder, tmp_path):
    """With a guide that solves the flipped maze, its learned return decides."""
    folder = tmp_path / "run"
    shutil.copytree(table_folder, folder)
    settings = small_preset("demo", "C").shortened(0.03)
    venv = make_vec_env(settings.test_env, 2, seed=0)
    guide = Demonstrations.from_rollouts(WaypointController("c_maze_flipped"), venv, 2)
    guide.save(folder / "C_guide" / "episodes.npz")
    rows = table.write_results(TransferPlan(folder, [settings], ["VAIRL"], [0, 1]))
    unsolved = rows[rows["verdict"] != "solved"]
    assert len(unsolved)
    for row in unsolved.itertuples():
        reward = RecoveredReward.load(folder / f"C_{row.seed}" / "VAIRL" / "irl" / "reward.pt")
        expected = float(reward(guide.transitions()).sum() / len(guide))
        assert row.guide_learned_return == pytest.approx(expected)
        better = expected > row.learned_return_deterministic
        assert row.verdict == ("optimiser" if better else "reward")
        assert row.verdict in (folder / "report.html").read_text()


def test_options_of_the_table_arrive(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(study, "run_table", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(study, "write_results", lambda *arguments: calls.append(arguments))
    options = "--preset best --maze S --method AIRL --seeds 2 --first-seed 30 --snapshot-seeds 1"
    where = ["--out", str(tmp_path / "out"), "--docs", str(tmp_path / "docs")]
    command = ["reproduce", "maze-transfer", *options.split(), *where]
    ray = ["--backend", "ray", "--address", "auto", "--workers", "3"]
    for arguments in ([*command, *ray], [*command, "--table-only"]):
        result = CliRunner().invoke(cli.main, arguments)
        assert result.exit_code == 0, result.output
    plan = TransferPlan(tmp_path / "out", [preset("best", "S")], ("AIRL",), range(30, 32), 1)
    docs = tmp_path / "docs"
    assert calls == [(plan, Workers(3, "ray", "auto"), docs), (plan, docs)]


def test_the_remark_says_why_a_retraining_was_kept():
    assert "retraining 2, those before it stuck" in demo.remark({"name": "AIRL", "retrainings": 2})
    remark = demo.remark({"name": "AIRL", "retrainings": 3, "stuck": True})
    assert "best of 3 retrainings by learned return" in remark
    assert "settles below the demonstrators" in remark


@pytest.mark.slow
def test_a_stuck_retraining_is_said_in_the_report(run_folder, tmp_path):
    cell = Cell(tmp_path, DEMO[0], 0)
    shutil.copytree(run_folder / "C_0", cell.folder)
    path = cell.folder / "AIRL" / "result.json"
    changed = json.loads(path.read_text()) | {
        "stuck": True,
        "shortfall": 0.4,
        "retrainings": [1.0, 2.0],
        "n_retrainings": 2,
    }
    path.write_text(json.dumps(changed))
    rows = [demo.in_words(row) for row in result_rows(cell, demo.DEMO_METHODS)]
    page = write_demo_report(tmp_path, [cell], demo.DEMO_METHODS, [rows]).read_text()
    assert "AIRL: the retraining is stuck" in page
    assert "40.0 % of the map" in page
    assert "best of 2 retrainings by learned return" in page


def test_the_command_line_lists_every_id():
    result = CliRunner().invoke(cli.main, ["list"])
    assert [line.split()[0] for line in result.output.splitlines()] == [
        row.id for row in ENVIRONMENTS
    ]


@pytest.mark.parametrize("arguments", [["--method", "SAC"], ["--share", "0"], ["--seed", "-1"]])
def test_bad_arguments_of_the_command_line_are_named(arguments):
    result = CliRunner().invoke(cli.main, ["demo", *arguments])
    assert result.exit_code == 2
    assert arguments[0] in result.output


def test_the_picture_of_the_mazes_has_each_once(tmp_path, monkeypatch):
    figures = []

    @contextmanager
    def spy(path, size):
        with new_figure(path, size) as figure:
            yield figure
            figures.append(figure)

    monkeypatch.setattr(documentation_pictures, "new_figure", spy)
    out = ["--out", str(tmp_path)]
    assert CliRunner().invoke(cli.main, ["maintain", "maze-pictures", *out]).exit_code == 0
    assert (tmp_path / "mazes.png").exists()
    titles = [axes.get_title() for axes in figures[0].axes]
    assert titles == ["CMaze", "CMazeFlipped", "SMaze", "SMazeFlipped"]


def test_curves_of_a_run_that_went_on_are_joined(tmp_path):
    pd.DataFrame({"time/total_timesteps": [10, 20, 30], "x": [1.0, 2.0, 3.0]}).to_csv(
        tmp_path / "progress.csv"
    )
    later = pd.DataFrame({"time/total_timesteps": [30, 40], "x": [9.0, 4.0]})
    later.to_csv(tmp_path / "progress_from_20.csv")
    curve = read_curve(tmp_path, "x")
    np.testing.assert_array_equal(curve["step"], [10, 20, 30, 40])
    np.testing.assert_array_equal(curve["value"], [1, 2, 9, 4])
    assert read_curve(tmp_path, "y").empty


def test_a_shortened_experiment_keeps_at_least_one_iteration():
    settings = preset("paper", "S").shortened(1e-6)
    phases = (settings.expert, settings.irl, settings.retraining)
    assert [each.iterations for each in phases] == [1, 1, 1]
    assert settings.demo_batch_size == preset("paper", "S").demo_batch_size


def test_reward_maps_need_a_plane():
    from gymnasium import spaces

    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        reward_map(None, spaces.Box(-1, 1, (3,)))
