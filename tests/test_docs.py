"""Every Python block of README and documentation runs, and every link of theirs leads somewhere."""

import re
import sys
import types
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
# what a page says to its test: a budget too long for it, and from where on it needs a package
IN_TESTS = re.compile(r"^<!-- in tests: (.+) -> (.+) -->$", re.MULTILINE)
NEEDS = re.compile(r"^<!-- needs: (\w+) -->$", re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


WITH_CODE = [page for page in PAGES[1:] if BLOCK.search(page.read_text())]
HOLDS = re.compile(r"^<!-- holds: (.+) -->$", re.MULTILINE)  # what a page promises of its code


def marked(page: Path):
    """Pages on imitation are run beside it, on the second stack."""
    stack = [pytest.mark.stacks] if page.name == "imitation.md" else []
    return pytest.param(page, id=name_of(page), marks=stack)


@pytest.mark.slow
@pytest.mark.parametrize("page", [marked(page) for page in WITH_CODE])
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("page")  # classes of a page can be imported, as those of a script
    monkeypatch.setitem(sys.modules, "page", module)
    text = page.read_text()
    for needs in NEEDS.finditer(text):
        if find_spec(needs.group(1)) is None:
            text = text.removesuffix(text[needs.start() :])
    code = "\n".join(BLOCK.findall(text))
    for written, instead in IN_TESTS.findall(text):
        assert written in code
        code = code.replace(written, instead)
    exec(compile(code, name_of(page), "exec"), vars(module))
    for promise in HOLDS.findall(page.read_text()):
        assert eval(promise, vars(module)), promise


@pytest.mark.slow
def test_the_readmes_twelve_lines_learn():
    """The same code as in the README, with a threshold on what it prints."""
    namespace = {"__name__": "page"}
    exec(BLOCK.search((ROOT / "README.md").read_text()).group(1), namespace)
    result = namespace["vairl"].evaluate(
        namespace["make_vec_env"]("sb3_vdb/CMaze-v0", n_envs=10, seed=3)
    )
    # standing still is -50, stuck under the wall -26.5; the README says what to expect
    assert result.mean > -12
    assert result.success_rate == 1.0


@pytest.mark.slow
def test_the_rest_of_the_readmes_code_runs():
    pytest.importorskip("dm_control")
    for block in BLOCK.findall((ROOT / "README.md").read_text())[1:]:
        exec(block, {"__name__": "page"})


@pytest.mark.parametrize(
    "page", [page for page in PAGES if LINK.search(page.read_text())], ids=name_of
)
def test_links_to_files_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_the_readme_names_every_maze_and_humanoid_and_its_ids_exist():
    from sb3_vdb_envs import ENVIRONMENTS

    text = (ROOT / "README.md").read_text()
    ids = {row.id for row in ENVIRONMENTS}
    named = set(re.findall(r"`(sb3_vdb/\w+-v0)`", text))
    assert named <= ids
    for row in ENVIRONMENTS:
        if "Maze" in row.name or (
            row.name.startswith("Humanoid") and "dm_control" not in row.summary
        ):
            short = row.name.removeprefix("Humanoid")
            assert f"`{row.id}`" in text or f"`{short}`" in text, row.id


def test_the_readmes_code_is_short():
    code = BLOCK.search((ROOT / "README.md").read_text()).group(1)
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
