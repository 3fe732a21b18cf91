"""The demonstration job, its report, and the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from sb3_vdb import Demonstrations, RecoveredReward, cli
from sb3_vdb.evaluation.curves import read_curve
from sb3_vdb.evaluation.reward_maps import reward_map
from sb3_vdb.experiments import demo, maze_transfer
from sb3_vdb.experiments.benchmarks import compare
from sb3_vdb.experiments.demo_seeds import plot_seeds, summary
from sb3_vdb.experiments.report import write_report
from sb3_vdb_envs import ENVIRONMENTS

SETTINGS = maze_transfer.TransferSettings().shortened(0.03)
COMMAND = [sys.executable, "-m", "sb3_vdb.cli"]


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> Path:
    """A finished, very short run."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    demo.run_demo(folder, 0, SETTINGS)
    return folder


@pytest.mark.slow
def test_the_job_leaves_results_logs_rewards_and_pictures(run_folder):
    config = json.loads((run_folder / "config.json").read_text())
    assert config["seed"] == 0
    assert config["versions"]["torch"]
    for method in demo.METHODS:
        result = json.loads((run_folder / method / "result.json").read_text())
        assert -60 < result["transfer_return"] < 0
        assert 1 <= len(result["retrainings"]) <= 3
        assert (
            len(read_curve(run_folder / method / "irl", "rollout/ep_rew_mean"))
            == SETTINGS.irl_iterations
        )
        RecoveredReward.load(run_folder / method / "irl" / "reward.pt")
    names = {path.name for path in (run_folder / "pictures").iterdir()}
    assert names == {"curves.png", "bottleneck.png", "rewards.png", "policies.gif"}
    rows = demo.result_rows(run_folder, demo.METHODS)
    assert [row["name"] for row in rows] == [
        "expert (training maze)",
        *demo.METHODS,
        "random actions",
    ]


@pytest.mark.slow
def test_running_again_keeps_what_is_finished(run_folder):
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("result.json")}
    demo.run_demo(run_folder, 0, SETTINGS, report=False)
    assert {path: path.stat().st_mtime_ns for path in run_folder.rglob("result.json")} == before


@pytest.mark.slow
def test_a_folder_with_another_run_is_refused(run_folder):
    with pytest.raises(ValueError, match=r"holds a run with \{'seed': 0\}"):
        demo.run_demo(run_folder, 1, SETTINGS)


@pytest.mark.slow
def test_a_failing_worker_is_reported(tmp_path, run_folder):
    (tmp_path / "expert").mkdir()
    (tmp_path / "expert" / "demonstrations.npz").write_bytes(b"broken")
    with pytest.raises(RuntimeError, match="truncated or no demonstrations file"):
        demo.run_demo(tmp_path, 0, SETTINGS)


@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_goes_on(tmp_path):
    """Interrupted during inverse RL, the job ends at once, reports what it has, and finishes when
    run again.
    """
    folder = tmp_path / "run"
    command = [*COMMAND, "demo", "--out", str(folder), "--share", "0.3", "--method", "AIRL"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(folder.glob("AIRL/irl/checkpoint_*.zip")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "the same command goes on" in output
    Demonstrations.load(folder / "expert" / "demonstrations.npz")
    assert "AIRL has not finished" in (folder / "report.html").read_text()
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "random actions" in result.stdout
    curve = read_curve(folder / "AIRL" / "irl", "rollout/ep_rew_mean")
    np.testing.assert_array_equal(curve["step"], 3000 * np.arange(1, 31))


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_opens_in_a_browser(run_folder, width):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    flags = """--headless --no-sandbox --disable-gpu --no-first-run --disable-sync
        --disable-background-networking --disable-component-update"""
    for argument in [*flags.split(), f"--window-size={width},900"]:
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
    browser = webdriver.Chrome(options=options, service=service)
    try:
        browser.get((run_folder / "report.html").as_uri())
        pictures = browser.execute_script(
            "return [...document.images].map(i => [i.src, i.complete, i.naturalWidth, i.alt])"
        )
        assert len(pictures) == 4
        for source, complete, natural_width, alt in pictures:
            assert complete, source
            assert natural_width > 100, source
            assert alt
        for link in browser.execute_script("return [...document.links].map(a => a.href)"):
            assert Path(link.removeprefix("file://")).exists(), link
        # nothing but the table may be wider than the window
        assert browser.execute_script(
            "return document.documentElement.scrollWidth <= window.innerWidth"
        )
        assert "VAIRL-GP" in browser.find_element("tag name", "table").text
        assert not [each for each in browser.get_log("browser") if each["level"] == "SEVERE"]
    finally:
        browser.quit()


@pytest.mark.slow
def test_a_stuck_retraining_is_said_in_the_report(run_folder, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(run_folder, folder)
    path = folder / "AIRL" / "result.json"
    changed = json.loads(path.read_text()) | {
        "stuck": True,
        "shortfall": 0.4,
        "retrainings": [1.0, 2.0],
    }
    path.write_text(json.dumps(changed))
    page = write_report(folder, demo.METHODS).read_text()
    assert "AIRL: the retraining is stuck" in page
    assert "40 % of the map" in page
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


def test_the_console_script_is_installed():
    script = Path(sys.executable).parent / "sb3-vdb"
    assert (
        "demo"
        in subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    )


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
    settings = maze_transfer.TransferSettings().shortened(1e-6)
    assert settings.expert_iterations == settings.irl_iterations == settings.retrain_iterations == 1
    assert settings.demo_batch_size == maze_transfer.TransferSettings().demo_batch_size


def test_the_summary_counts_seeds_that_solved_the_maze(tmp_path):
    table = pd.DataFrame(
        {
            "method": ["VAIRL-GP"] * 3 + ["AIRL"] * 3,
            "transfer_return": [-9.0, -11.0, -26.0, -9.0, -9.0, -9.0],
            "success_rate": [1.0, 1.0, 0.0, 1.0, 1.0, 1.0],
            "stuck": [False, False, True, False, False, False],
        }
    )
    rows = summary(table)
    assert rows["at least -12"].tolist() == [2, 3]
    assert rows["judged stuck"].tolist() == [1, 0]
    assert rows["worst"].tolist() == [-26.0, -9.0]
    plot_seeds(table, tmp_path / "seeds.png")
    assert (tmp_path / "seeds.png").stat().st_size > 5000


def test_benchmarks_compare_pair_by_pair():
    table = compare({"twice": lambda: 2.0, "once": lambda: 1.0}, repeats=3)
    assert table["ratio"].tolist() == [2.0, 1.0]
    assert table["against"].tolist() == ["once", "once"]


def test_reward_maps_need_a_plane():
    from gymnasium import spaces

    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        reward_map(None, spaces.Box(-1, 1, (3,)))
