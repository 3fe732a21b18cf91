"""Benchmarks of speed."""

import pkgutil

import pytest
from click.testing import CliRunner
from sb3_contrib import TRPO

from sb3_vdb import cli, make_vec_env
from sb3_vdb.experiments.maze_transfer.policies import make_trpo
from sb3_vdb.experiments.maze_transfer.presets import preset
from sb3_vdb.experiments.speed import benchmarks
from sb3_vdb.experiments.speed import maze_transfer as transfer_speed
from sb3_vdb.experiments.speed.timing import compare, compare_steps, units_per_second

ONE_AND_TWO = {"twice": lambda: 2.0, "once": lambda: 1.0}


def test_every_benchmark_has_its_function_and_is_a_choice():
    choices = CliRunner().invoke(cli.main, ["bench", "--help"]).output
    for name, function in benchmarks.BENCHMARKS.items():
        assert name in choices
        if name != "imitation":
            assert callable(pkgutil.resolve_name(f"{benchmarks.__package__}.{function}"))


def test_a_package_that_a_benchmark_misses_is_named(monkeypatch):
    monkeypatch.setattr(benchmarks.importlib.util, "find_spec", lambda name: None)
    result = CliRunner().invoke(cli.main, ["bench", "--only", "imitation"])
    assert result.exit_code == 1
    assert 'pip install "sb3-vdb[imitation]"' in " ".join(result.output.split())


def test_a_gpu_that_a_benchmark_misses_is_named(monkeypatch):
    monkeypatch.setattr(benchmarks.th.cuda, "is_available", lambda: False)
    result = CliRunner().invoke(cli.main, ["bench", "--only", "vmail-gpu"])
    assert result.exit_code == 1
    assert "needs a GPU" in " ".join(result.output.split())


def test_rates_are_against_the_last_contender():
    table = compare(ONE_AND_TWO, repeats=1)
    steps = compare_steps({name: (each, 100) for name, each in ONE_AND_TWO.items()}, repeats=1)
    assert steps["steps_per_s"].tolist() == [50, 100]
    assert steps["times_faster"].tolist() == [0.5, 1.0]
    units = units_per_second(table, 10, "updates")
    assert units["per_second"].tolist() == [5.0, 10.0]
    assert units["times_faster"].tolist() == [0.5, 1.0]


def test_sb3_contribs_trpo_has_the_same_arguments():
    settings = preset("demo", "C").expert
    models = [
        make_trpo(make_vec_env("sb3_vdb/CMaze-v0", 4, seed=0), settings, 0, algorithm)
        for algorithm in (None, TRPO)
    ]
    assert type(models[1]) is TRPO
    for name in ("n_steps", "batch_size", "gamma", "gae_lambda", "target_kl", "learning_rate"):
        assert getattr(models[0], name) == getattr(models[1], name), name
    weights = [model.policy.state_dict() for model in models]
    assert all((value == weights[1][name]).all() for name, value in weights[0].items())


def test_benchmarks_compare_pair_by_pair():
    table = compare(ONE_AND_TWO, repeats=3)
    assert table["ratio"].tolist() == [2.0, 1.0]
    assert table["against"].tolist() == ["once", "once"]


@pytest.mark.slow
def test_the_split_of_a_round_adds_up(monkeypatch):
    monkeypatch.setattr(transfer_speed, "ROUNDS", 1)
    found = transfer_speed.bench_transfer_split()
    shares = found["share"].str.removesuffix(" %").astype(int)
    assert shares.sum() == pytest.approx(100, abs=len(found))
    assert (shares >= 0).all()
    assert {"TRPO's update", "100 updates of the discriminator"} <= set(found["part of a round"])
