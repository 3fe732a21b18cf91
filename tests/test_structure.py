"""Who may import whom (docs/developer.md), and other promises about the tree."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"sb3_vdb": ROOT / "sb3_vdb", "sb3_vdb_envs": ROOT / "envs" / "sb3_vdb_envs"}
SIMULATORS = {"mujoco", "pybullet", "dm_control", "Box2D", "shimmy"}
LEAVES = {"sb3_vdb.experiments", "sb3_vdb.cli", "sb3_vdb.integrations"}

# room: prefixes it must not import
FORBIDDEN = {
    "sb3_vdb_envs": {"sb3_vdb", "torch", "stable_baselines3", "sb3_contrib"},
    "sb3_vdb.vdb": {
        "sb3_vdb.adversarial",
        "sb3_vdb.demonstrations",
        "sb3_vdb.discriminators",
        "gymnasium",
        "stable_baselines3",
        "numpy",
    },
    "sb3_vdb.rewards": {"sb3_vdb", "gymnasium", "stable_baselines3", "numpy"},
    "sb3_vdb.discriminators": {"sb3_vdb.adversarial", "sb3_vdb.demonstrations"},
    "sb3_vdb.demonstrations": {
        "sb3_vdb.adversarial",
        "sb3_vdb.discriminators",
        "sb3_vdb.vdb",
        "torch",
    },
    "sb3_vdb.baselines": {"sb3_vdb.adversarial", "sb3_vdb.evaluation"},
    "sb3_vdb.evaluation": {"sb3_vdb.adversarial", "sb3_vdb.baselines"},
    "sb3_vdb.adversarial": {"sb3_vdb.vmail"},
    "sb3_vdb.trpo": {"sb3_vdb.adversarial"},
    "sb3_vdb.jacobians": {"sb3_vdb", "gymnasium", "stable_baselines3", "numpy"},
    "sb3_vdb.vmail": {"sb3_vdb.adversarial"},
}
DRAWERS = {"common", "utils", "util", "helpers", "tools", "misc"}


def find_modules():
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([package, *(part for part in parts if part != "__init__")])
            yield pytest.param(name, path, id=name)


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(name: str, prefixes) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


@pytest.mark.parametrize(("name", "path"), list(find_modules()))
def test_imports_follow_the_arrows(name, path):
    found = imports(path)
    for room, forbidden in FORBIDDEN.items():
        if within(name, [room]):
            bad = {each for each in found if within(each, forbidden) and not within(each, [room])}
            assert not bad, f"{name} must not import {bad}"
    if not within(name, LEAVES):
        assert not {each for each in found if within(each, LEAVES)}, f"{name} imports a leaf"
    may_know_environments = within(
        name,
        [
            "sb3_vdb_envs",
            "sb3_vdb.environments",
            "sb3_vdb.cli",
            "sb3_vdb.experiments.benchmarks",
            "sb3_vdb.experiments.humanoid_pictures",
        ],
    )
    if name != "sb3_vdb" and not may_know_environments:
        assert not {each for each in found if within(each, ["sb3_vdb_envs"])}, (
            f"{name} must use ids"
        )
    assert not {each for each in imports(path, top_level_only=True) if within(each, SIMULATORS)}


@pytest.mark.parametrize(("name", "path"), list(find_modules()))
def test_every_module_has_a_docstring_and_no_drawer_name(name, path):
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert not DRAWERS & set(name.split("."))


def test_importing_the_package_loads_no_simulator():
    # with Gymnasium 0.29, other packages' plugins may load simulators when gymnasium is imported
    loaded = f"{{name for name in {sorted(SIMULATORS)} if name in sys.modules}}"
    code = f"import sys, gymnasium; before = {loaded}; import sb3_vdb; "
    code += f"print(sorted({loaded} - before))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_wheel_holds_both_packages_and_their_data(tmp_path):
    """Installed from the wheel alone, in a folder of its own, the package finds what it needs."""
    ignored = shutil.ignore_patterns(".*", "runs", "build", "docs", "tests", "*.egg-info")
    source = shutil.copytree(ROOT, tmp_path / "source", ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, source]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("sb3_vdb-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    for name in (
        "sb3_vdb/py.typed",
        "sb3_vdb_envs/py.typed",
        "sb3_vdb/experiments/transfer/table.html",
    ):
        assert (tmp_path / "site" / name).exists(), name
    modules = {
        str(path.relative_to(folder.parent))
        for folder in PACKAGES.values()
        for path in folder.rglob("*.py")
    }
    built = {str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*.py")}
    assert built == modules
    code = "import sb3_vdb, sb3_vdb_envs; print(sb3_vdb.__file__, sb3_vdb_envs.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    run = [sys.executable, "-c", code]
    result = subprocess.run(
        run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.count(str(tmp_path / "site")) == 2
