"""Files of any format are read by name and content; the command line looks at them and converts."""

import pytest
from click.testing import CliRunner

from sb3_vdb.cli import main
from sb3_vdb.integrations.files import read_demonstrations, write_demonstrations
from sb3_vdb.integrations.lerobot import to_lerobot
from tests.data_cases import assert_same, parts, vectors

pytest.importorskip("datasets")


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a.parquet", "imitation", "hugging-face"])
def test_the_format_is_told_by_name_and_content(tmp_path, name):
    demos = vectors()
    given = None if "." in name else name
    write_demonstrations(demos, tmp_path / name, given)
    assert_same(demos, read_demonstrations(tmp_path / name))


def test_minari_and_lerobot_are_told_apart(tmp_path, monkeypatch):
    pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    write_demonstrations(vectors(), "minari:test/demos-v0")
    assert_same(vectors(), read_demonstrations("minari:test/demos-v0"))
    to_lerobot(vectors(), tmp_path / "robot", fps=10)
    assert len(read_demonstrations(tmp_path / "robot")) == 2
    with pytest.raises(ValueError, match="needs the steps a second"):
        write_demonstrations(vectors(), tmp_path / "other", "lerobot")


def test_what_is_of_no_format_is_refused_with_the_known_ones(tmp_path):
    (tmp_path / "a.xyz").write_text("")
    with pytest.raises(ValueError, match=r"of no format that is known; there are npz .*minari"):
        read_demonstrations(tmp_path / "a.xyz")
    with pytest.raises(ValueError, match="no format 'hdf5'; there are npz"):
        read_demonstrations(tmp_path / "a.xyz", "hdf5")
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*b\.npz"):
        read_demonstrations(tmp_path / "b.npz")


def run(*arguments):
    return CliRunner().invoke(main, ["demos", *map(str, arguments)])


def test_the_command_line_looks_and_converts(tmp_path):
    path = vectors().save(tmp_path / "a.npz")
    shown = run("info", path)
    assert shown.exit_code == 0
    assert "episodes       3" in shown.output
    assert run("convert", path, tmp_path / "b.parquet").exit_code == 0
    assert (
        run("convert", tmp_path / "b.parquet", tmp_path / "c", "--to", "imitation").exit_code == 0
    )
    assert_same(vectors(), read_demonstrations(tmp_path / "c"))
    refused = run("convert", path, tmp_path / "d.xyz")
    assert refused.exit_code == 1
    assert "of no format that is known" in refused.output
    again = run("convert", path, tmp_path / "b.parquet")
    assert again.exit_code == 1
    assert "exists" in again.output
    assert run("info", tmp_path / "none.npz").exit_code == 1


def test_the_command_line_draws_figures_and_sheets(tmp_path):
    for name, demos in (("a", vectors()), ("b", parts())):
        shown = run("view", demos.save(tmp_path / name), "--out", tmp_path / f"{name}.png")
        assert shown.exit_code == 0, shown.output
        assert (tmp_path / f"{name}.png").stat().st_size > 0
    assert (tmp_path / "b-pictures.png").exists()
    assert not (tmp_path / "a-pictures.png").exists()
