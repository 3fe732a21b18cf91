"""``sb3-vdb train`` on anybody's environment and demonstrations."""

import json
import re
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from sb3_vdb import Demonstrations, Trajectory, make_vec_env
from sb3_vdb.cli import main
from sb3_vdb.cli.training import METHOD_NAMES
from sb3_vdb.experiments.training import run as run_module
from sb3_vdb.experiments.training import study
from sb3_vdb.experiments.training.learners import make_learner
from sb3_vdb.experiments.training.run import TrainingRun, TrainingSettings, train
from sb3_vdb.integrations.tables import to_csv
from sb3_vdb.integrations.wandb_runs import wandb_run
from sb3_vdb.methods import METHODS, method
from sb3_vdb.recovered_reward import RecoveredReward
from sb3_vdb.saved_models import load_model
from sb3_vdb.views import Join, Vector
from sb3_vdb_envs.maze import WaypointController

MAZE = "sb3_vdb/CMaze-v0"
PAGE = Path(__file__).parents[2] / "docs" / "guide" / "train.md"
SMALL = {"steps": 256, "n_envs": 2, "n_evaluations": 2, "n_episodes": 2}
SIZES = {
    "SAC": {"learning_starts": 20, "batch_size": 8, "policy_kwargs": {"net_arch": [8]}},
    "PPO": {"n_steps": 64, "batch_size": 64, "policy_kwargs": {"net_arch": [8]}},
}


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    venv = make_vec_env(MAZE, 2, seed=1)
    recorded = Demonstrations.from_rollouts(WaypointController("c_maze"), venv, n_episodes=3)
    return str(recorded.save(tmp_path_factory.mktemp("demos") / "maze.npz"))


class Pair(gym.Env):
    """Two parts that never change."""

    observation_space = gym.spaces.Dict(
        {
            name: gym.spaces.Box(-1.0, 1.0, (n,), np.float32)
            for name, n in (("goal", 1), ("place", 2))
        }
    )
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def _see(self):
        return {
            name: np.zeros(part.shape, np.float32) for name, part in self.observation_space.items()
        }

    def reset(self, *, seed=None, options=None):
        return self._see(), {}

    def step(self, action):
        return self._see(), 0.0, False, False, {}


def small_run(folder, demos, name="vail", **changes):
    algorithm = METHODS[name].algorithm
    sizes = {} if algorithm is None else SIZES[algorithm]
    arguments = {} if name in ("bc", "sqil") else {"demo_batch_size": 32}
    settings = TrainingSettings(
        demos, algorithm_arguments=sizes, arguments=arguments, **(SMALL | changes)
    )
    run = TrainingRun(folder, name, MAZE, 0, settings)
    run.claim()
    return run


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains(name, demos, tmp_path):
    run = small_run(tmp_path, demos, name)
    told = []
    train(run, lambda done, note: told.append(done))
    table = pd.read_csv(run.folder / "evaluations.csv")
    assert table["steps"].iloc[0] == 0
    assert table["steps"].iloc[-1] >= 256
    assert told[-1] >= 256
    assert run.result()["return"] == pytest.approx(table["return"].iloc[-1], abs=1e-3)
    policy = load_model(run.folder / "model.zip", env_id=MAZE)
    actions, _ = policy.predict(np.zeros((2, 2), np.float32), deterministic=True)
    assert actions.shape == (2, 2)
    if name not in ("bc", "sqil"):
        RecoveredReward.load(run.folder / "reward.pt")
    page = study.write_report(tmp_path).read_text()
    assert run.name in page
    assert "256 of 256" in page


def test_the_page_names_every_method_and_its_numbers():
    text = PAGE.read_text()
    rows = dict(re.findall(r"^\| `([\w-]+)` \| .*? \| (.*?) \|", text, re.M))
    assert set(rows) == set(METHODS)
    for name, row in rows.items():
        for argument, value in METHODS[name].arguments.items():
            assert f"{argument}={value:g}" in row, (name, argument)
    assert set(METHOD_NAMES) == {*METHODS, "deepmimic"}


def test_a_run_that_was_stopped_goes_on(demos, tmp_path, monkeypatch):
    run = small_run(tmp_path, demos, steps=512)
    add = run_module._Evaluation.add
    n_added = []

    def stop_at_the_third(self, done):
        n_added.append(done)
        if len(n_added) == 3:
            raise KeyboardInterrupt
        return add(self, done)

    monkeypatch.setattr(run_module._Evaluation, "add", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        train(run, lambda *_: None)
    assert (run.folder / "checkpoint.zip").exists()
    assert run.result() is None
    train(run, lambda *_: None)
    steps = pd.read_csv(run.folder / "evaluations.csv")["steps"].tolist()
    assert steps == sorted(set(steps))
    assert steps[-1] == 512
    assert n_added[3] > 0  # it did not begin anew


def test_an_off_policy_run_without_a_trainer_goes_on(demos, tmp_path, monkeypatch):
    run = small_run(tmp_path, demos, "sqil", steps=120, n_evaluations=4)
    add = run_module._Evaluation.add

    def stop_at_90(self, done):
        if done >= 90:
            raise KeyboardInterrupt
        return add(self, done)

    monkeypatch.setattr(run_module._Evaluation, "add", stop_at_90)
    with pytest.raises(KeyboardInterrupt):
        train(run, lambda *_: None)
    assert (run.folder / "replay.pkl").exists()
    monkeypatch.setattr(run_module._Evaluation, "add", add)
    told = []
    train(run, lambda done, note: told.append(done))
    assert told[0] >= 60  # it did not begin anew
    steps = pd.read_csv(run.folder / "evaluations.csv")["steps"].tolist()
    assert steps == sorted(set(steps))
    assert steps[-1] == 120
    assert not (run.folder / "replay.pkl").exists()


def test_a_run_has_sb3s_logs(demos, tmp_path):
    run = small_run(tmp_path, demos, "sqil")
    train(run, lambda *_: None)
    names = {path.name.split(".")[0] for path in (run.folder / "log").iterdir()}
    assert names == {"progress", "events"}


def test_something_can_follow_a_run(demos, tmp_path):
    seen = []

    @contextmanager
    def follow(name, folder, config):
        seen.append((name, folder, config["settings.steps"]))
        yield
        seen.append((folder / "result.json").exists())

    run = small_run(tmp_path, demos, "bc")
    train(run, lambda *_: None, follow)
    assert seen == [(run.name, run.folder, 256), True]


def test_weights_and_biases_follow_the_tensorboard_files(tmp_path, monkeypatch):
    calls = []
    finished = types.SimpleNamespace(finish=lambda: calls.append("finish"))
    fake = types.ModuleType("wandb")
    fake.init = lambda **arguments: calls.append(arguments) or finished
    monkeypatch.setitem(sys.modules, "wandb", fake)
    for _ in range(2):
        with wandb_run("maze", "vail_0", tmp_path, {"seed": 0}):
            pass
    (first, end, second, _) = calls
    assert first["sync_tensorboard"] is True
    assert first["id"] == second["id"]  # a run that goes on is the same run there
    assert (first["project"], first["name"], first["config"]) == ("maze", "vail_0", {"seed": 0})
    assert end == "finish"


def test_a_discriminator_sees_the_parts_that_are_named(tmp_path):
    """Of Dict observations; and those of vectors keep a method's own networks."""
    venv = make_vec_env(Pair, 2, seed=0)
    seen = {"place": np.zeros((5, 2), np.float32), "goal": np.ones((5, 1), np.float32)}
    demos = Demonstrations([Trajectory(seen, np.zeros((4, 1), np.float32), None, False)])

    def kwargs(parts):
        made = make_learner(METHODS["dac"], None, venv, demos, 0, {}, SIZES["SAC"], parts=parts)
        assert made.discriminator.trunk_kwargs["net_arch"] == (256, 256)
        return made.discriminator.view.observation

    assert kwargs(()) == Join((Vector("goal"), Vector("place")))
    assert kwargs(("place",)) == Vector("place")
    with pytest.raises(ValueError, match="there is no part 'speed'; there are goal, place"):
        kwargs(("speed",))
    with pytest.raises(ValueError, match="there are no parts place: observations are Box"):
        make_learner(METHODS["gail"], None, make_vec_env(MAZE), demos, 0, {}, {}, parts=("place",))


def test_off_policy_generators_learn_as_often_as_they_step(demos, tmp_path):
    """Whatever the number of environments; what is set is kept."""
    venv = make_vec_env(MAZE, 2)
    expert = Demonstrations.load(demos)

    def steps_of(**arguments):
        sizes = {**SIZES["SAC"], **arguments}
        return make_learner(
            METHODS["dac"], None, venv, expert, 0, {}, sizes
        ).gen_algo.gradient_steps

    assert steps_of() == -1
    assert steps_of(gradient_steps=1) == 1


def test_absorbing_states_are_an_option(demos, tmp_path):
    run = small_run(tmp_path, demos, "dac", absorbing=True)
    assert run.horizon == 100
    venv = run.environments(2, 0, training=True)
    assert venv.observation_space.shape == (3,)
    assert run.expert(venv)[0].observations.shape[1] == 3
    train(run, lambda *_: None)
    assert run.result() is not None
    words = ["evaluate", str(run.folder / "model.zip"), MAZE, "--episodes", "2"]
    assert CliRunner().invoke(main, words).exit_code == 1  # it sees one entry more
    done = CliRunner().invoke(main, [*words, "--absorbing"])
    assert done.exit_code == 0, done.output
    endless = TrainingRun(tmp_path, "dac", "Dot-v0", 0, run.settings)
    monkeyed = gym.envs.registration.EnvSpec("Dot-v0", "tests.vmail.small:Dot")
    gym.envs.registry["Dot-v0"] = monkeyed
    try:
        with pytest.raises(ValueError, match="absorbing states need a time limit, and Dot-v0 has"):
            endless.environments(1, 0, training=True)
    finally:
        del gym.envs.registry["Dot-v0"]


@pytest.mark.slow
def test_the_command(demos, tmp_path):
    runner = CliRunner()
    csv = tmp_path / "maze.csv"
    to_csv(Demonstrations.load(demos), csv)
    arguments = ["train", "gail-gp", MAZE, "--demos", str(csv), "--out", str(tmp_path / "runs")]
    arguments += ["--samples", "256", "--n-envs", "2", "--seeds", "2", "--normalize"]
    arguments += ["--set", "grad_penalty_coef=2.5", "--set", "algo.n_steps=64"]
    arguments += ["--set", "demo_batch_size=32", "--algo", "TRPO"]
    done = runner.invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "report.html" in done.output
    config = json.loads((tmp_path / "runs" / "gail-gp_CMaze-v0_1" / "config.json").read_text())
    assert config["settings"]["arguments"]["grad_penalty_coef"] == 2.5
    assert config["settings"]["algorithm_arguments"] == {"n_steps": 64}
    page = (tmp_path / "runs" / "report.html").read_text()
    assert "grad_penalty_coef=2.5" in page
    again = runner.invoke(main, ["plot", str(tmp_path / "runs")])
    assert again.exit_code == 0, again.output
    other = runner.invoke(main, [*arguments, "--set", "grad_penalty_coef=3"])
    assert "holds a run with" in other.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vail", MAZE], "give demonstrations with"),
        (["vail", MAZE, "--demos", "nothing.npz"], "there is no file or folder"),
        (["vail", MAZE, "--demos", "DEMOS", "--set", "lr=1"], "VAIL has no argument `lr`"),
        (["vail", MAZE, "--demos", "DEMOS", "--set", "algo.lr=1"], "PPO has no argument `lr`"),
        (["sqil", MAZE, "--demos", "DEMOS", "--set", "beta=1"], "it has expert_share"),
        (["bc", MAZE, "--demos", "DEMOS", "--algo", "SAC"], "cloning has no generator"),
        (["vail", MAZE, "--demos", "DEMOS", "--set", "beta"], "is not NAME=VALUE"),
        (["vail", MAZE, "--demos", "DEMOS", "--algo", "Magic"], "Magic is no algorithm"),
        (["dac", MAZE, "--demos", "DEMOS", "--algo", "PPO"], "DAC needs an off-policy"),
        (["vail", "CartPole-v1", "--demos", "DEMOS"], "observation"),
        (["deepmimic", MAZE, "--demos", "DEMOS"], "leave --demos out"),
        (["dac", "sb3_vdb/HumanoidRun-v0"], "from a clip, the methods are"),
    ],
)
def test_bad_input_is_told_before_any_training(arguments, message, demos, tmp_path):
    arguments = [demos if each == "DEMOS" else each for each in arguments]
    done = CliRunner().invoke(main, ["train", *arguments, "--out", str(tmp_path / "runs")])
    assert done.exit_code != 0
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "runs").exists()


def test_no_runs_to_plot(tmp_path):
    done = CliRunner().invoke(main, ["plot", str(tmp_path)])
    assert "holds no finished run" in done.output


def test_an_unknown_method():
    with pytest.raises(ValueError, match="there is no method 'magic'"):
        method("magic")


def test_advice_is_given_where_a_curve_is_not_healthy():
    sick = {"accuracy_expert": 1.0, "accuracy_generator": 1.0}
    table = pd.DataFrame([{"steps": i, "return": 0.0, **sick} for i in range(5)])
    assert study.advice(table).name == "too strong"
    assert study.advice(table.assign(accuracy_expert=0.7)) is None
    assert study.advice(table[["steps", "return"]]) is None
