"""Tables in a documentation folder."""

import json

import pandas as pd

from sb3_vdb.experiments.transfer.documented import (
    combined_versions,
    with_kept_rows,
    with_kept_versions,
)


def _table(*rows):
    return pd.DataFrame(rows, columns=["maze", "seed", "return", "stuck"])


def test_rows_that_a_run_has_nothing_of_are_kept(tmp_path):
    path = tmp_path / "table.csv"
    _table(("C", 0, -4.5, False), ("S", 0, 1.0, True), ("S", 1, 2.0, True)).to_csv(
        path, index=False
    )
    by_maze = with_kept_rows(path, _table(("S", 0, 180.0, False)), ["maze"])
    assert by_maze.to_dict("split")["data"] == [["C", 0, -4.5, False], ["S", 0, 180.0, False]]
    by_run = with_kept_rows(
        path, _table(("C", 0, -5.0, False), ("S", 0, 9.0, False)), ["maze", "seed"]
    )
    assert by_run["return"].tolist() == [-5.0, 2.0, 9.0]
    assert by_run["maze"].tolist() == ["C", "S", "S"]
    whole = with_kept_rows(path, pd.DataFrame(), ["maze"])
    assert len(whole) == 3
    assert with_kept_rows(tmp_path / "none.csv", whole, ["maze"]) is whole


def test_a_table_that_is_kept_is_the_same_file(tmp_path):
    """Whole numbers stay whole, gaps stay gaps, also where new rows have others."""
    path = tmp_path / "summary.csv"
    path.write_text("maze,seeds,return,solved\nC,5,-4.59,5\nC,5,-4.55,\n")
    new = pd.DataFrame({"maze": ["S"], "seeds": [2], "return": [180.0], "solved": [None]})
    found = with_kept_rows(path, new, ["maze"]).to_csv(index=False)
    assert found == path.read_text() + "S,2,180.0,\n"


def test_versions_of_all_runs_are_told_once(tmp_path):
    path = tmp_path / "versions.json"
    made_with = {"commit": "b", "torch": "2"}
    assert with_kept_versions(path, made_with) == made_with
    path.write_text(json.dumps({"commit": "a, c", "torch": "2", "gone": "1"}))
    found = with_kept_versions(path, made_with)
    assert found == {"commit": "a, b, c", "torch": "2", "gone": "1"}
    assert combined_versions([found, found]) == found
