"""The study of V-MAIL: trained in parts, collected, plotted, reported."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

pytest.importorskip("dm_control")
from sb3_vdb.cli import main
from sb3_vdb.experiments.framework.evaluations import EvaluationLog
from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.framework.plots import new_figure
from sb3_vdb.experiments.framework.run import write_result
from sb3_vdb.experiments.vmail import pictures, settings
from sb3_vdb.experiments.vmail import runs as runs_module
from sb3_vdb.experiments.vmail.runs import PixelRun, train
from sb3_vdb.experiments.vmail.settings import VMAIL_METHODS, TaskSettings, vmail_arguments
from sb3_vdb.experiments.vmail.table import collect, plan, run_table, summarise_runs
from sb3_vdb.vmail import PRESETS, VDAC, VMAIL
from tests.browser import check_page
from tests.vmail.small import SIZES

TASK = "CartpoleSwingup"
LOOK = {"image_size": 16}
SMALL = {
    "batch_size": 2,
    "sequence_length": 4,
    "horizon": 2,
    "burn_in": 1,
    "pretrain_steps": 1,
    "gradient_steps": 1,
    "policy_kwargs": SIZES,
}


class Stopped(Exception):
    pass


SMALL_TASK = TaskSettings(TASK, LOOK, 2400, "laptop", SMALL)


def shorten(patch):
    """Runs are evaluated twice on one episode, and cloning is brief."""
    patch.setattr(runs_module, "EVALUATIONS", 2)
    for name in ("EVALUATION_EPISODES", "RESULT_EPISODES", "CHOICE_EPISODES"):
        patch.setattr(runs_module, name, 1)
    patch.setattr(runs_module, "BC_UPDATES", 10)
    patch.setitem(settings.LAPTOP, TASK, SMALL_TASK)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Rendered demonstrations of all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def task(monkeypatch, cache):
    """A task of 2,400 frames."""
    monkeypatch.setenv("SB3_VDB_CACHE", str(cache))
    shorten(monkeypatch)
    return SMALL_TASK


@pytest.fixture(scope="session")
def trained(tmp_path_factory, cache):
    """A folder with a run of V-MAIL that was stopped and went on, and one of cloning; and what was
    seen of the first: names of replay tables when it stopped, frames reported afterwards.
    """
    folder, seen = tmp_path_factory.mktemp("vmail"), []
    run, cloning = plan(folder, [SMALL_TASK], ["VMAIL", "BC"], [1], [0])

    def stop(frames, note):
        raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SB3_VDB_CACHE", str(cache))
        shorten(patch)
        with pytest.raises(Stopped):
            train(run, stop)
        assert run.result() is None
        stopped_with = [path.name for path in run.folder.glob(REPLAY_TABLES)]
        train(run, lambda frames, note: seen.append(frames))
        train(cloning, lambda *_: None)
    return folder, stopped_with, seen


@pytest.fixture
def trained_folder(trained, tmp_path):
    """A copy of the folder, to write into."""
    return shutil.copytree(trained[0], tmp_path / "out")


REPLAY_TABLES = "replay/table_*.json"


@pytest.mark.slow
def test_a_run_goes_on_after_an_interruption_and_ends_with_its_result(task, trained, tmp_path):
    folder, stopped_with, seen = trained
    assert stopped_with == ["table_600-2.json"]
    assert seen == [2400]
    (run,) = plan(shutil.copytree(folder, tmp_path / "out"), [task], ["VMAIL"], [1], [0])
    assert sorted(path.name for path in run.folder.glob(REPLAY_TABLES)) == [
        "table_1200-3.json",
        "table_600-2.json",
    ]
    assert pd.read_csv(run.evaluations)["frames"].tolist() == [1200, 2400]
    assert 0.0 <= run.result()["share"] <= 1.1
    train(run, lambda *_: 1 / 0)  # nothing is left to do
    # killed between the table and the checkpoint: the later evaluation is made again
    (run.folder / "result.json").unlink()
    model = VMAIL.load(run.folder / "model.zip", device="cpu")
    rows = pd.read_csv(run.evaluations)
    rows.loc[len(rows)] = rows.iloc[-1] + [600, 1.0, 1, 0.0, 0.0]
    rows.to_csv(run.evaluations, index=False)
    log = EvaluationLog(run.evaluations, "frames", model.num_timesteps * task.action_repeat)
    assert [row["frames"] for row in log.rows] == [1200, 2400]
    config = json.loads((run.folder / "config.json").read_text())
    assert config["arguments"]["batch_size"] == 2
    assert config["n_demonstrations"] == 1


@pytest.mark.slow
def test_the_discriminator_chooses_in_the_second_half(task, tmp_path):
    run = PixelRun(tmp_path, task._replace(choose_every=300, frames=1200), "VMAIL", 1, 0)
    train(run, lambda *_: None)
    history = pd.read_csv(run.folder / "chosen" / "history.csv")
    assert (history["timesteps"] >= 300).all()
    result = run.result()
    last = history[history["chosen"]].iloc[-1]
    assert result["chosen_after"] == 2 * last["timesteps"]
    assert result["choice_frames"] == 1000 * len(history)
    assert np.isfinite([result["return"], result["last_return"]]).all()
    assert summarise_runs(collect([run]))["frames"][0] == 1200 + result["choice_frames"]
    assert pictures.choices([run], tmp_path / "choices.png")
    assert not pictures.choices([replace(run, seed=1)], tmp_path / "none.png")
    made = pictures.inspect(run, tmp_path / "pictures")
    assert all(path.stat().st_size > 3000 for path in made)


@pytest.mark.slow
def test_vdac_is_run_by_its_own_class(task, tmp_path):
    run = PixelRun(tmp_path, task, "VDAC", 1, 0)
    train(run, lambda *_: None)
    assert run.result()["frames"] == 2400
    VDAC.load(run.folder / "model.zip", device="cpu")
    assert len(pictures.inspect(run, tmp_path / "pictures")) == 3
    with pytest.raises(ValueError, match="the class that saved it"):
        VMAIL.load(run.folder / "model.zip", device="cpu")


@pytest.mark.slow
def test_the_command_writes_table_curves_strips_and_page(task, trained_folder, tmp_path):
    out, docs = trained_folder, tmp_path / "docs"
    # a process of its own would not know the small task; and this one did not train
    name = f"{TASK}_VMAIL_1_0"
    (out / name / "versions.json").write_text('[{"torch": "old"}]')
    arguments = ["reproduce", "vmail", "--task", TASK, "--seeds", "1", "--demonstrations", "1"]
    paths = ["--out", str(out), "--docs", str(docs)]
    result = CliRunner().invoke(main, [*arguments, *paths, "--table-only"])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(docs / "summary.csv")
    assert table["method"].tolist() == ["VMAIL", "BC"]
    assert np.isfinite(table["share of the expert"]).all()
    assert "old" in json.loads((docs / "versions.json").read_text())["torch"].split(", ")
    for file in (f"{TASK}_curves", f"{name}_expert", f"{name}_policy", f"{name}_courses"):
        assert (docs / f"{file}.png").stat().st_size > 3000
    curves = pd.read_csv(docs / "curves.csv")
    assert curves.columns.tolist()[-4:] == ["task", "method", "demonstrations", "seed"]
    assert curves["frames"].tolist() == [1200, 2400]
    page = (out / "report.html").read_text()
    for picture in (out / "pictures").iterdir():
        assert f'src="pictures/{picture.name}"' in page
    assert f'href="{name}/config.json"' in page
    # results alone, from another machine, make the tables and curves
    shutil.rmtree(out / name / "replay")
    result = CliRunner().invoke(main, [*arguments, *paths, "--table-only"])
    assert result.exit_code == 0, result.output


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_opens_in_a_browser(task, trained_folder, width):
    arguments = ["--task", TASK, "--seeds", "1", "--demonstrations", "1", "--method", "VMAIL"]
    result = CliRunner().invoke(
        main, ["reproduce", "vmail", *arguments, "--out", str(trained_folder), "--table-only"]
    )
    assert result.exit_code == 0, result.output
    assert TASK in check_page(trained_folder / "report.html", width, 5)


@pytest.mark.parametrize("name", ["CartpoleSwingup", "CMaze"])
def test_every_method_changes_what_it_names_or_is_refused(name):
    task, accepted, refused = settings.LAPTOP[name], [], {}
    own = vmail_arguments(task, "VMAIL")
    for method, (algorithm, changes) in VMAIL_METHODS.items():
        if not issubclass(algorithm, VMAIL):
            with pytest.raises(ValueError, match=f"{method} is no form of V-MAIL"):
                vmail_arguments(task, method)
            continue
        try:
            arguments = vmail_arguments(task, method)
        except ValueError as error:
            refused[method] = str(error)
            continue
        accepted.append(method)
        assert set(PRESETS["laptop"]) <= set(arguments)
        assert (
            changes.items() <= {**arguments, "policy_kwargs": changes.get("policy_kwargs")}.items()
        )
        sizes = {**own["policy_kwargs"], **changes.get("policy_kwargs", {})}
        assert arguments["policy_kwargs"] == sizes
    for method, message in refused.items():
        assert f"{method} is what VMAIL does on {name} already" in message
    # of two opposites, one
    opposites = {"CartpoleSwingup": "VMAIL-no-bottleneck", "CMaze": "VMAIL-bottleneck"}
    assert [method for method in accepted if method in opposites.values()] == [opposites[name]]


def test_a_method_that_changes_nothing_is_refused_before_anything_is_run(tmp_path):
    arguments = ["--task", "CMaze", "--method", "VMAIL-log-d", "--out", str(tmp_path / "runs")]
    result = CliRunner().invoke(main, ["reproduce", "vmail", *arguments])
    assert result.exit_code == 1
    assert "VMAIL-log-d is what VMAIL does on CMaze already, reward_type=log_d" in result.output
    assert not (tmp_path / "runs").exists()


def test_the_summary_is_over_seeds(tmp_path, task):
    for seed, value in ((0, 400.0), (1, 600.0)):
        run = PixelRun(tmp_path, task, "VMAIL", 10, seed)
        result = {"return": value, "share": value / 850, "frames": 2400, "minutes": 1.0}
        write_result(run.folder, result)
    runs = plan(tmp_path, [task], ["VMAIL", "BC"], [10], [0, 1, 2])
    assert len(runs) == 6
    summary = summarise_runs(collect(runs))
    assert summary["seeds"].tolist() == [2]
    assert summary["IQM"].tolist() == [500.0]
    assert summary[["95 % from", "95 % to"]].to_numpy().tolist() == [[400.0, 600.0]]


def test_a_task_can_have_other_actions_and_shorter_episodes_of_training(task, tmp_path):
    """Actions of eight frames, with their own expert; only training ends early."""
    other = task._replace(
        env_kwargs={"action_repeat": 8, "threads": 1},
        recording=f"{TASK}-8frames-stochastic",
        episode_steps=3,
    )
    run = PixelRun(tmp_path, other, "VMAIL", 1, 0)
    assert (other.decisions, other.demonstrations) == (300, f"{TASK}-8frames-stochastic")
    assert other.expert_return == pytest.approx(844.9, abs=0.5)
    assert other.share(0.5 * other.expert_return) == pytest.approx(0.5)
    demonstrations = runs_module.demonstrations_of(run, other.look)
    assert [len(each.actions) for each in demonstrations] == [125]
    for steps, expected in ((other.episode_steps, [3, 3]), (None, [])):
        venv = runs_module._environments(run, other.look, 2, 0, steps)
        venv.reset()
        ended = [i for i in range(1, 5) if venv.step(np.zeros((2, 1)))[2].all() for _ in range(2)]
        assert ended == expected
        venv.close()


def test_a_rate_falls_and_then_stays():
    rate = settings.LinearSchedule(2.0, 1.0, until=0.5)
    assert [rate(progress) for progress in (1.0, 0.75, 0.5, 0.2, 0.0)] == [2.0, 1.5, 1.0, 1.0, 1.0]


@pytest.mark.slow
def test_schedules_go_by_the_whole_run(task, tmp_path, monkeypatch):
    """Runs stop for evaluations, and may be stopped; that is not the end of a schedule."""
    monkeypatch.setattr(runs_module, "EVALUATIONS", 4)
    changes = {
        **SMALL,
        "learning_rate": settings.LinearSchedule(1e-3, 2e-4, until=1.0),
        "train_freq": 300,
    }
    run = PixelRun(tmp_path, task._replace(changes=changes), "VMAIL", 1, 0)
    with pytest.raises(ZeroDivisionError):
        train(run, lambda *_: 1 / 0)
    train(run, lambda *_: None)
    logs = [
        pd.read_csv(path)
        for path in run.folder.glob("log_*/progress.csv")
        if path.stat().st_size  # the first pause comes before the first update
    ]
    rates = pd.concat(logs).set_index("time/total_timesteps")["train/learning_rate"]
    for step in (300, 600, 900, 1200):
        assert rates[step] == pytest.approx(1e-3 - 8e-4 * step / 1200, rel=1e-3)


def test_unknown_tasks_and_methods_are_refused_with_those_there_are(tmp_path):
    for option, message in (("--task", "CartpoleSwingup"), ("--method", "VMAIL-logit")):
        result = CliRunner().invoke(
            main, ["reproduce", "vmail", option, "nothing", "--out", str(tmp_path)]
        )
        assert result.exit_code == 2
        assert message in result.output


def test_a_folder_with_runs_of_other_settings_is_refused(task, tmp_path):
    other = task._replace(changes={**SMALL, "batch_size": 3})
    for method in ("VMAIL", "BC"):
        run = PixelRun(tmp_path, task, method, 1, 0)
        run.claim()
        run.check()
        replace(run, settings=task._replace(device="cuda")).check()
    PixelRun(tmp_path, other, "BC", 1, 0).check()  # no setting of its own has changed
    message = r"VMAIL_1_0 holds a run with arguments\.batch_size 2, asked for is 3; .* --out"
    with pytest.raises(ValueError, match=message):
        run_table(plan(tmp_path, [other], ["VMAIL", "BC"], [1], [0]), Workers(1))
    with pytest.raises(ValueError, match="image_size 16, asked for is 24"):
        PixelRun(tmp_path, task._replace(look={"image_size": 24}), "BC", 1, 0).check()


@pytest.mark.parametrize(("n_methods", "n_panels"), [(3, 2), (6, 6)])
def test_many_methods_get_panels_of_their_own(task, tmp_path, monkeypatch, n_methods, n_panels):
    methods = ["VMAIL", *(name for name in VMAIL_METHODS if name not in ("VMAIL", "BC"))][
        :n_methods
    ]
    runs = plan(tmp_path, [task], methods, [1], [0, 1])
    for run in runs:
        run.folder.mkdir()
        rows = pd.DataFrame({"frames": [10, 20], "seconds": [1, 2], "return": [0.0, run.seed]})
        rows.to_csv(run.folder / "evaluations.csv", index=False)
    shown = []

    @contextmanager
    def spy(path, size, *layout, **kwargs):
        with new_figure(path, size, *layout, **kwargs) as figure:
            yield figure
            shown.append(figure)

    monkeypatch.setattr(pictures, "new_figure", spy)
    pictures.learning_curves(runs, tmp_path / "curves.png")
    (figure,) = shown
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == n_panels
    seeds, expert = 2, 1
    if n_methods == 6:
        assert [each.get_title().split("\n")[0] for each in panels] == methods
        # the first method's lines and its own; the last row has the numbers below it
        assert all(len(each.lines) == seeds + seeds + expert for each in panels)
        assert [each.xaxis.get_tick_params()["labelbottom"] for each in panels[-4:]] == [True] * 4
    else:
        assert all(len(each.lines) == 3 * seeds + expert for each in panels)
