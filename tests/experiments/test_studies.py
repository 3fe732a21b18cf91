"""The table of studies on the command line."""

import pkgutil
from inspect import signature

import pytest
from click.testing import CliRunner
from gymnasium.error import DependencyNotInstalled

from sb3_vdb.cli import main
from sb3_vdb.cli.maintenance import TOOLS
from sb3_vdb.cli.reproduce import DEMO, study_command
from sb3_vdb.cli.studies import STUDIES, Study
from sb3_vdb.experiments.framework.job import Workers

ALL = {**STUDIES, **TOOLS, "demo": DEMO}


@pytest.mark.parametrize("name", ALL)
def test_the_options_of_every_study_are_the_arguments_of_its_function(name):
    study = ALL[name]
    context = study_command(name, study).make_context(name, [])
    arguments = study.arguments(context.params)
    function = pkgutil.resolve_name(f"sb3_vdb.experiments.{study.run}")
    signature(function).bind(**arguments)


def test_options_that_belong_together_are_one_argument(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = study_command("experts", STUDIES["humanoid"])
    options = ["--first-seed", "7", "--seeds", "2", "--out", "runs", "--docs", "docs"]
    options += ["--skill", "Run"]
    context = command.make_context("x", [*options, "--skill", "Run", "--workers", "3"])
    arguments = STUDIES["humanoid"].arguments(context.params)
    assert arguments["seeds"] == range(7, 9)
    assert arguments["workers"] == Workers(3, "local", None)
    assert arguments["out"] == tmp_path / "runs"  # Ray's workers are elsewhere
    assert arguments["docs"] == tmp_path / "docs"
    assert arguments["skills"] == ("Run",)


@pytest.mark.parametrize("error", [ValueError, RuntimeError, ImportError, DependencyNotInstalled])
def test_what_a_study_refuses_is_an_error_of_the_command_line(monkeypatch, error):
    def refuse(**_):
        raise error("choose another folder")

    monkeypatch.setattr(pkgutil, "resolve_name", lambda name: refuse)
    result = CliRunner().invoke(study_command("study", Study("x:y", "", [])), [])
    assert result.exit_code == 1
    assert result.output == "Error: choose another folder\n"


@pytest.mark.parametrize(("group", "studies"), [("reproduce", STUDIES), ("maintain", TOOLS)])
def test_a_group_lists_each_of_its_commands_with_what_it_is(group, studies):
    result = CliRunner().invoke(main, [group, "--help"])
    listed = result.output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == sorted(studies)
    for line in listed:
        name, text = line.split(maxsplit=1)
        assert text.removesuffix("...").strip() in studies[name].help


def test_what_developers_run_is_not_among_the_studies_of_the_papers():
    assert not {name for name in STUDIES if name.endswith("pictures")}
    assert not set(STUDIES) & set(TOOLS)
