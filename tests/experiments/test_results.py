"""The page of results and the tables of pages say what the committed csv files say."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from sb3_vdb.cli import main
from sb3_vdb.experiments.results import markdown, page
from sb3_vdb.experiments.results.claims import SMALL_CLAIMS, VDB_CLAIMS, VMAIL_CLAIMS, Answer
from sb3_vdb.experiments.results.command import pages, results, summaries
from sb3_vdb.experiments.results.study_tables import STUDY_TABLES

ROOT = Path(__file__).parent.parent.parent
BENCHMARKS = ROOT / "docs" / "benchmarks"
AGAIN = "run `sb3-vdb maintain results` and commit what it writes"


def plain(path: Path) -> str:
    """A page's text with ordinary minus signs and spaces."""
    return path.read_text().replace(markdown.MINUS, "-").replace(markdown.SPACE, " ")


def test_pages_and_readme_say_what_the_files_say():
    made = pages(ROOT)
    names = {str(path.relative_to(ROOT)) for path, _ in made}
    assert {"README.md", "docs/results.md", "docs/benchmarks/maze-best.md"} <= names
    for path, text in made:
        assert path.read_text() == text, f"{path}: {AGAIN}"


def test_summaries_are_those_of_the_runs_beside_them():
    made = summaries(BENCHMARKS)
    assert len(made) > 10
    for path, text in made:
        assert path.read_text() == text, f"{path}: {AGAIN}"


def test_every_table_stands_on_a_page():
    paths = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    texts = [path.read_text() for path in paths]
    shown = {match["name"] for text in texts for match in markdown.MARKED.finditer(text)}
    assert set(STUDY_TABLES) <= shown


def test_a_changed_number_changes_page_and_summary(tmp_path):
    study = tmp_path / "docs" / "benchmarks" / "maze-transfer-best"
    study.mkdir(parents=True)
    table = pd.read_csv(BENCHMARKS / study.name / "table.csv")
    table.to_csv(study / "table.csv", index=False)
    marked = "<!-- table: best-C -->\n<!-- end of table -->\n"
    (tmp_path / "README.md").write_text(marked)
    changed = results(tmp_path)
    assert [path.name for path in changed] == ["summary.csv", "README.md"]
    assert results(tmp_path) == []
    before = plain(tmp_path / "README.md")
    assert "-10.4, -5.4" in before  # every seed
    table.loc[table["maze"] == "C", "transfer_return"] = -7.0
    table.to_csv(study / "table.csv", index=False)
    assert len(results(tmp_path)) == 2
    after = plain(tmp_path / "README.md")
    assert "-7.0 [-7.0, -7.0]" in after


def test_the_command_refuses_what_is_no_checkout(tmp_path):
    result = CliRunner().invoke(main, ["maintain", "results", "--root", str(tmp_path)])
    assert result.exit_code == 1
    assert "has no docs/benchmarks" in result.output


def test_a_mark_without_a_table_is_named():
    with pytest.raises(ValueError, match="no table is called 'nothing'; there are a, b"):
        markdown.filled("<!-- table: nothing -->\n<!-- end of table -->", {"a": str, "b": str})


@pytest.mark.parametrize(
    ("rule", "values", "state"),
    [
        ("higher", [-5.0, -5.1, -5.2], "beaten"),  # all of the interval is above -9
        ("higher", [-5.0, -5.1, -12.0], "reproduced"),  # the interval is not, the middle is
        ("higher", [-9.4], "reproduced"),  # within one standard deviation of 0.5
        ("higher", [-5.0], "reproduced"),  # one seed beats nothing
        ("higher", [-9.6], "not reproduced"),
        ("lower", [-9.6, -9.7], "beaten"),
        ("lower", [-8.4], "not reproduced"),
        ("outcome", [-30.0, -31.0], "not reproduced"),  # the paper's solves the maze
        ("outcome", [-11.0], "reproduced"),
        ("said", [-11.0], "not yet"),
    ],
)
def test_a_state_follows_from_the_runs(rule, values, state):
    answer = Answer("", {}, "", (-9.0, 0.5), rule, threshold=-12.0, said="not yet")
    assert page.state_of(answer, values) == state


def test_a_claim_without_runs_is_named(tmp_path):
    answer = dataclasses.replace(VDB_CLAIMS[1].answers[0], rows={"maze": "X"})
    with pytest.raises(ValueError, match=r"table.csv has no run with \{'maze': 'X'\}"):
        page.runs_of(answer, BENCHMARKS)


def test_pages_and_pictures_of_claims_exist():
    for claim in (*VDB_CLAIMS, *VMAIL_CLAIMS, *SMALL_CLAIMS):
        assert not claim.page or (ROOT / "docs" / claim.page).exists(), claim.page
        if claim.picture:
            path = ROOT / "docs" / "images" / "results" / claim.picture
            assert path.stat().st_size < 10_000
        if claim.state != "not yet":
            assert claim.page, claim


def test_numbers_have_about_three_digits_and_a_real_minus():
    shown = [markdown.number(x) for x in (178.69, -5.39, 0.0879, -0.001, 3, np.int64(5), None)]
    minus = markdown.MINUS
    assert shown == ["179", f"{minus}5.4", "0.09", "0.00", "3", "5", ""]
    assert markdown.number(0.0879, 3) == "0.088"
    assert markdown.estimate([1.0, 2.0]).replace(markdown.SPACE, " ") == "1.5 [1.0, 2.0]"
    assert markdown.estimate([1.0]) == "1.0"
    assert markdown.every([3.0, -1.0]) == f"{minus}1.0, 3.0"
    table = markdown.table(pd.DataFrame({"what": ["a", "b"], "n": [1, 2], "gap": ["", ""]}))
    assert table.splitlines() == ["| what | n |", "| --- | ---: |", "| a | 1 |", "| b | 2 |"]
