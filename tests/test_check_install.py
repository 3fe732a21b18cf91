"""`sb3-vdb check-install`, and completion of ids in the shell."""

import re
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from sb3_vdb.cli import installation, main
from sb3_vdb.cli.installation import EXTRAS, TRIALS, Trial
from sb3_vdb.integrations.extras import EXTRAS as NEEDED

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.slow
def test_everything_works_here():
    done = CliRunner().invoke(main, ["check-install"])
    assert done.exit_code == 0, done.output
    assert done.output.count("works: ") == len(TRIALS)
    assert re.search(r"torch +2\.", done.output)


def test_what_does_not_work_is_an_error(monkeypatch):
    def broken():
        raise RuntimeError("no GL")

    trials = (
        Trial("OpenGL", "numpy", broken),
        Trial("robots", "no_such_module", broken),
        Trial("maze", "numpy", lambda: "it does"),
    )
    monkeypatch.setattr(installation, "TRIALS", trials)
    done = CliRunner().invoke(main, ["check-install"])
    assert done.exit_code == 1
    assert "OpenGL     FAILS: RuntimeError: no GL" in done.output
    assert "robots     skipped: no_such_module is not installed" in done.output
    assert "maze       works: it does" in done.output
    assert "1 of these do not work" in done.output


def test_versions_that_do_not_fit_are_named(monkeypatch):
    assert installation.conflicts() == []
    lines = ["numpy>=99", "no-such-package", "torch>=1", "ray<1; extra == 'ray'"]
    monkeypatch.setattr(installation, "requires", lambda _: lines)
    too_old, missing = installation.conflicts()
    assert re.fullmatch(r"numpy is .*, and >=99 is needed; pip install 'numpy>=99'", too_old)
    assert missing == "no-such-package is missing; pip install 'no-such-package'"


def test_every_extra_is_one_of_the_package():
    text = PROJECT.read_text().split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = set(re.findall(r"^(\w+) = \[", text, re.M))
    assert set(EXTRAS) == extras - {"tests", "docs", "dev"}
    assert set(NEEDED.values()) <= set(EXTRAS)


@pytest.mark.parametrize(
    ("words", "incomplete", "offered"),
    [
        (["train", "vail"], "sb3_vdb/CMazeFlipped-", {"sb3_vdb/CMazeFlipped-v0"}),
        (["evaluate", "policy.zip"], "sb3_vdb/HumanoidRun-", {"sb3_vdb/HumanoidRun-v0"}),
        (["train"], "vail-", {"vail-gp"}),
        (["reproduce"], "control", {"control-tasks"}),
    ],
)
def test_the_shell_completes(words, incomplete, offered):
    found = ShellComplete(main, {}, "sb3-vdb", "_SB3_VDB_COMPLETE").get_completions(
        words, incomplete
    )
    assert {each.value for each in found} == offered
