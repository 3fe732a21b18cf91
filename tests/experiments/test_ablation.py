"""Ablations of presets, one thing changed at a time."""

import json
import platform
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from stable_baselines3.common.torch_layers import FlattenExtractor

from sb3_vdb import Demonstrations, RecoveredReward, cli, make_vec_env
from sb3_vdb.experiments.framework.job import Workers
from sb3_vdb.experiments.maze_transfer import ablation, runs
from sb3_vdb.experiments.maze_transfer.ablation import Ablation, Line, run_ablation
from sb3_vdb.experiments.maze_transfer.phases import make_trainer
from sb3_vdb.experiments.maze_transfer.presets import preset
from sb3_vdb.experiments.maze_transfer.runs import Cell
from sb3_vdb.experiments.maze_transfer.settings import MAZE_METHODS, MAZES
from sb3_vdb.experiments.maze_transfer.variations import BASELINE, VARIATIONS, Variation
from sb3_vdb.extractors import BoundsExtractor
from sb3_vdb.files import write_text
from sb3_vdb_envs.maze import WaypointController


@pytest.mark.parametrize("maze", MAZES)
def test_every_variation_changes_one_thing_and_keeps_the_demonstrations(maze):
    best = preset("best", maze)
    first, *others = VARIATIONS["best"][maze]
    assert first == Variation(BASELINE)
    assert len({each.folder for each in VARIATIONS["best"][maze]}) == len(others) + 1
    for each in others:
        assert len(each.changes) + (each.method != first.method) == 1, each.name
        assert each.method in MAZE_METHODS
        settings = best.changed(each.changes)
        assert (settings != best) == bool(each.changes)
        for name in ("expert", "demo_policies", "demos_per_policy"):
            assert getattr(settings, name) == getattr(best, name)


@pytest.mark.parametrize("maze", MAZES)
def test_what_the_paper_leaves_open_is_tried_for_every_method_it_is_about(maze):
    paper = preset("paper", maze)
    variations = VARIATIONS["paper"][maze]
    assert len({each.folder for each in variations}) == len(variations)
    for name in {each.name.split(", ", 1)[1] for each in variations}:
        group = [each for each in variations if each.name.endswith(name)]
        assert [each.method for each in group] == ["AIRL", "VAIRL", "VAIRL-GP"]
        settings = paper.changed(group[0].changes)
        assert settings != paper
        # another maze has other experts
        same_maze = settings.force_limit == paper.force_limit
        assert (settings.expert == paper.expert) == same_maze == ("forces of 1 N" not in name)


@pytest.mark.parametrize("maze", MAZES)
def test_each_departure_of_the_code_is_taken_back_to_the_papers_value(maze):
    paper, code = asdict(preset("paper", maze)), asdict(preset("authors-code", maze))

    def value_of(settings, name):
        phase, _, field = name.rpartition(".")
        return (settings[phase] if phase else settings)[field]

    variations = VARIATIONS["authors-code"][maze]
    assert len({each.folder for each in variations}) == len(variations) >= 4
    for each in variations:
        assert each.method == "AIRL"
        for name, value in each.changes.items():
            assert value_of(paper, name) == value != value_of(code, name), (each.name, name)


def test_networks_see_positions_as_they_are_if_asked(tmp_path):
    settings = preset("demo", "C").shortened(0.02)
    raw = settings.changed({"irl.scaled_inputs": False, "scaled_inputs": False})
    demonstrations = Demonstrations.from_rollouts(
        WaypointController("c_maze"), make_vec_env("sb3_vdb/CMaze-v0", 1), n_episodes=2
    )
    for each, extractor, kind in (
        (settings, BoundsExtractor, "bounds"),
        (raw, FlattenExtractor, "none"),
    ):
        trainer = make_trainer("VAIRL", each, demonstrations, 0, tmp_path)
        assert type(trainer.gen_algo.policy.features_extractor) is extractor
        assert trainer.discriminator.normalize_inputs == kind


def test_the_best_preset_keeps_within_the_papers_demonstrations():
    for maze in MAZES:
        best, paper = preset("best", maze), preset("paper", maze)
        n, allowed = (each.demo_policies * each.demos_per_policy for each in (best, paper))
        assert n <= allowed


def test_settings_are_changed_by_name():
    settings = preset("demo", "C")
    changed = settings.changed({"retraining.std": 3.0, "beta": 0.1})
    retraining = replace(settings.retraining, std=3.0)
    assert changed == replace(settings, retraining=retraining, beta=0.1)
    assert settings == preset("demo", "C")
    for name in ("nothing", "retraining.nothing", "beta.std", "nothing.std"):
        with pytest.raises(ValueError, match=f"no setting '{name}'"):
            settings.changed({name: 1.0})


@pytest.mark.slow
def test_the_table_has_a_line_for_every_variation(tmp_path, monkeypatch):
    done = []

    def run_here(jobs, workers):
        for job in jobs:
            done.append(job.name)
            job.work(lambda *_: None)
        return []

    def small_preset(name, maze):
        settings = preset(name, maze)
        fewer = {key: replace(phase, mazes=20) for key, phase in settings.phases().items()}
        return replace(settings, **fewer, max_rewards=2, max_retrainings=1)

    monkeypatch.setattr(ablation, "try_jobs", run_here)
    monkeypatch.setattr(ablation, "preset", small_preset)
    taught = count_rewards(monkeypatch)
    names = ("best", "reward not sharpened", "noise 2 in retraining")
    variations = {"C": [each for each in VARIATIONS["best"]["C"] if each.name in names]}
    monkeypatch.setattr(ablation, "VARIATIONS", {"best": variations})
    arguments = ["--maze", "C", "--seeds", "2", "--share", "0.02", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(
        cli.main, ["reproduce", "maze-ablation", *arguments, "--docs", str(tmp_path / "docs")]
    )
    assert result.exit_code == 0, result.output
    assert done[:4] == [
        f"C_{seed} best, {what}" for what in ("expert", "reward") for seed in (0, 1)
    ]
    assert done[4:] == [f"C_{seed} {name}" for seed in (0, 1) for name in names]
    table = pd.read_csv(tmp_path / "docs" / "ablation.csv")
    assert table["variation"].tolist() == list(names)
    table_of_runs = pd.read_csv(tmp_path / "out" / "ablation_runs.csv")
    assert table_of_runs["seed"].tolist() == [0, 0, 0, 1, 1, 1]
    for i, group in enumerate(table_of_runs[table_of_runs["variation"] == name] for name in names):
        assert table["IQM"][i] == pytest.approx(group["return"].mean(), abs=0.01)  # of two
        assert table["smallest"][i] == pytest.approx(group["return"].min(), abs=0.01)
    # the same demonstrations, and nothing is done again
    copies = [
        (tmp_path / "out" / each.folder / "C_0" / "expert" / "demonstrations.npz").read_bytes()
        for each in variations["C"]
    ]
    assert copies[0] == copies[1]
    # what changes nothing before the retraining has the same reward, what does has its own
    rewards = [
        RecoveredReward.load(tmp_path / "out" / each.folder / "C_0" / each.method / "irl/reward.pt")
        for each in variations["C"]
    ]
    points = np.random.default_rng(0).uniform(0.0, 0.5, (20, 2)).astype(np.float32)
    assert (rewards[0].of_states(points) == rewards[2].of_states(points)).all()
    assert (rewards[0].of_states(points) != rewards[1].of_states(points)).any()
    first = {(seed, name) for seed in (100, 1100) for name in ("best", "reward-not-sharpened")}
    assert {each for each in taught if each[0] in (100, 1100)} == first
    assert len(taught) == len(set(taught))
    before = result_times(tmp_path)
    plan = Ablation("best", tmp_path / "out", ["C"], [0, 1], share=0.02)
    run_ablation(plan, Workers(1))
    assert result_times(tmp_path) == before
    # a folder that was filled with other settings is not mixed with these
    with pytest.raises(ValueError, match="holds a run with"):
        run_ablation(plan._replace(share=0.04), Workers(1))
    assert np.isfinite(table["IQM"]).all()
    # chosen variations, from what is finished, seed 2 and all others missing
    only = ["--variation", "noise 2", "--table-only", "--seeds", "3"]
    done.clear()
    result = CliRunner().invoke(cli.main, ["reproduce", "maze-ablation", *arguments, *only])
    assert result.exit_code == 0, result.output
    assert done == []
    assert "noise 2 in retraining" in result.output
    assert "not sharpened" not in result.output
    # a folder of documents keeps what is not among them
    only += ["--docs", str(tmp_path / "docs")]
    assert (
        CliRunner().invoke(cli.main, ["reproduce", "maze-ablation", *arguments, *only]).exit_code
        == 0
    )
    kept = pd.read_csv(tmp_path / "docs" / "ablation.csv")
    assert (
        kept.set_index("variation").sort_index().equals(table.set_index("variation").sort_index())
    )
    made_with = json.loads((tmp_path / "docs" / "ablation_versions.json").read_text())
    assert made_with["python"] == platform.python_version()


def count_rewards(monkeypatch) -> list[tuple[int, str]]:
    """Seed and variation of every reward that is learned."""
    taught = []
    learn = runs.learn_reward

    def spy(method, settings, demonstrations, seed, folder, *rest):
        if not (folder / "result.json").exists():
            taught.append((seed, folder.parents[2].name))
        learn(method, settings, demonstrations, seed, folder, *rest)

    monkeypatch.setattr(runs, "learn_reward", spy)
    return taught


def make_lines(folder: Path) -> list[Line]:
    """Two runs that differ in their retraining, the first with a reward."""
    settings = preset("best", "C")
    lines = [
        Line(variation, Cell(folder / variation.folder, settings.changed(variation.changes), 0))
        for variation in VARIATIONS["best"]["C"]
        if variation.name in (BASELINE, "noise 2 in retraining")
    ]
    write_text(lines[0].folder / "irl" / "reward.pt", "first")
    return lines


def test_variations_are_chosen_by_a_part_of_their_name(tmp_path):
    plan = Ablation("paper", tmp_path, ["C", "S"], [0], containing=["not scaled", "AIRL, "])
    names = {(each.cell.settings.maze, each.variation.name) for each in plan.lines()}
    expected = {each for each in names if "not scaled" in each[1] or "AIRL, " in each[1]}
    assert names == expected
    assert ("S", "VAIRL-GP, positions not scaled") in names
    assert ("S", "VAIRL-GP, TRPO of the code") not in names
    with pytest.raises(ValueError, match="no variation is called 'unscaled'; there are AIRL, "):
        plan._replace(containing=["not scaled", "unscaled"]).lines()


def test_a_table_of_nothing_is_refused(tmp_path):
    arguments = ["reproduce", "maze-ablation", "--table-only", "--out", str(tmp_path)]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 1
    assert "holds no finished run" in " ".join(result.output.split())


@pytest.mark.parametrize("name", ["best", "paper"])
def test_all_variations_can_be_run_by_one_command(tmp_path, name):
    # several of them may have experts of their own
    jobs: list[list[str]] = []

    def attempt(several):
        jobs.append([job.name for job in several])
        return []

    lines = Ablation(name, tmp_path, MAZES, (0, 1)).lines()
    for line in lines:
        path = line.cell.folder / "expert" / "demonstrations.npz"
        path.parent.mkdir(parents=True)
        path.touch()
    assert ablation._run(lines, attempt) == []
    experts, rewards, methods = jobs
    for names in jobs:
        assert len(names) == len(set(names))
    assert len(methods) == len(lines)
    assert len(experts) == len({ablation._what_makes_the_expert(line) for line in lines})
    assert all(each.endswith(", expert") for each in experts)
    assert all(each.endswith(", reward") for each in rewards)


def test_what_decides_a_reward_is_told_from_what_comes_after_it(tmp_path):
    first, other = make_lines(tmp_path)
    same = ablation._what_makes_the_reward
    assert same(first) == same(other)
    for changes in ({"reward_power": 1.0}, {"irl.mazes": 7}, {"expert.mazes": 7}):
        changed = replace(first.cell, settings=first.cell.settings.changed(changes))
        assert same(first._replace(cell=changed)) != same(first)
    assert same(first._replace(variation=Variation("x", "VAIRL"))) != same(first)
    # forces of the training maze decide expert and reward, those of the flipped one neither
    for name, is_same in (("force_limit", False), ("test_force_limit", True)):
        settings = first.cell.settings.changed({name: 0.5})
        changed = first._replace(cell=replace(first.cell, settings=settings))
        assert (same(changed) == same(first)) == is_same
        expert = ablation._what_makes_the_expert
        assert (expert(changed) == expert(first)) == is_same
    assert same(first._replace(cell=replace(first.cell, seed=1))) != same(first)


def test_a_shared_reward_is_the_first_one_and_replaces_none(tmp_path):
    first, other = make_lines(tmp_path)
    ablation._share_reward(first, other)
    assert (other.folder / "irl" / "reward.pt").read_text() == "first"
    # the source has put its first one aside, and the target its copy
    (first.folder / "irl").rename(first.folder / "irl_stuck_0")
    write_text(first.folder / "irl" / "reward.pt", "second")
    (other.folder / "irl").rename(other.folder / "irl_stuck_0")
    ablation._share_reward(first, other)
    assert not (other.folder / "irl").exists()
    (other.folder / "irl_stuck_0").rename(tmp_path / "gone")
    ablation._share_reward(first, other)
    assert (other.folder / "irl" / "reward.pt").read_text() == "first"


def test_a_reward_that_was_not_finished_is_not_shared(tmp_path):
    first, other = make_lines(tmp_path)
    (first.folder / "irl" / "reward.pt").unlink()
    ablation._share_reward(first, other)
    assert not other.folder.exists()


def test_a_killed_copy_is_made_again(tmp_path, monkeypatch):
    first, other = make_lines(tmp_path)

    def killed(source, target):
        write_text(target / "half", "")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ablation.shutil, "copytree", killed)
        with pytest.raises(KeyboardInterrupt):
            ablation._share_reward(first, other)
    ablation._share_reward(first, other)
    assert [each.name for each in other.folder.iterdir()] == ["irl"]
    assert [each.name for each in (other.folder / "irl").iterdir()] == ["reward.pt"]


def result_times(folder: Path) -> list[float]:
    return sorted(path.stat().st_mtime for path in folder.rglob("VAIRL-GP/result.json"))
