"""Tables: spread over seeds, and rows that a documentation folder keeps."""

import json

import pandas as pd

from sb3_vdb.experiments.framework.table import (
    spread,
    summarise,
    with_kept_rows,
    with_kept_versions,
    write_tables,
)
from sb3_vdb.experiments.framework.versions import combined_versions

ORDER = {"maze": ("C", "S")}


def _table(*rows):
    return pd.DataFrame(rows, columns=["maze", "seed", "return", "stuck"])


def test_rows_that_a_run_has_nothing_of_are_kept(tmp_path):
    path = tmp_path / "table.csv"
    _table(("C", 0, -4.5, False), ("S", 0, 1.0, True), ("S", 1, 2.0, True)).to_csv(
        path, index=False
    )
    by_maze = with_kept_rows(path, _table(("S", 0, 180.0, False)), ["maze"], ORDER)
    assert by_maze.to_dict("split")["data"] == [["C", 0, -4.5, False], ["S", 0, 180.0, False]]
    by_run = with_kept_rows(
        path, _table(("C", 0, -5.0, False), ("S", 0, 9.0, False)), ["maze", "seed"], ORDER
    )
    assert by_run["return"].tolist() == [-5.0, 2.0, 9.0]
    assert by_run["maze"].tolist() == ["C", "S", "S"]
    earlier = with_kept_rows(path, pd.DataFrame(), ["maze"])
    assert len(earlier) == 3
    assert with_kept_rows(tmp_path / "none.csv", earlier, ["maze"]) is earlier


def test_a_table_that_is_kept_is_the_same_file(tmp_path):
    """Whole numbers stay whole, gaps stay gaps, also where new rows have others."""
    path = tmp_path / "summary.csv"
    path.write_text("maze,seeds,return,solved\nC,5,-4.59,5\nC,5,-4.55,\n")
    new = pd.DataFrame({"maze": ["S"], "seeds": [2], "return": [180.0], "solved": [None]})
    table = with_kept_rows(path, new, ["maze"]).to_csv(index=False)
    assert table == path.read_text() + "S,2,180.0,\n"


def test_versions_of_all_runs_are_told_once(tmp_path):
    path = tmp_path / "versions.json"
    made_with = {"commit": "b", "torch": "2"}
    assert with_kept_versions(path, made_with) == made_with
    path.write_text(json.dumps({"commit": "a, c", "torch": "2", "gone": "1"}))
    versions = with_kept_versions(path, made_with)
    assert versions == {"commit": "a, b, c", "torch": "2", "gone": "1"}
    assert combined_versions([versions, versions]) == versions


def test_a_summary_has_one_row_a_group_with_its_spread():
    table = _table(("S", 0, 1.0, False), ("S", 1, 4.0, True), ("S", 2, 4.0, True), ("C", 0, 2.0, 0))

    def row(group):
        return spread(group["return"], 1)

    summary = summarise(table, ["maze"], row)
    assert summary["maze"].tolist() == ["S", "C"]
    assert summary["seeds"].tolist() == [3, 1]
    assert summary["IQM"].tolist() == [3.0, 2.0]
    assert summary["95 % from"][0] == 1.0
    assert summary["95 % to"][0] == 4.0
    assert summary[["95 % from", "95 % to"]].isna().to_numpy().tolist() == [[False] * 2, [True] * 2]
    assert summary[["smallest", "largest"]].to_numpy().tolist() == [[1.0, 4.0], [2.0, 2.0]]


def test_tables_are_written_with_the_versions_they_are_given(tmp_path):
    write_tables(tmp_path / "docs", {"runs": _table(("C", 0, 1.0, False))}, {"torch": "1"}, "made")
    assert (tmp_path / "docs" / "runs.csv").read_text() == "maze,seed,return,stuck\nC,0,1.0,False\n"
    assert json.loads((tmp_path / "docs" / "made.json").read_text()) == {"torch": "1"}
