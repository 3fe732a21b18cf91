"""Who may import whom (docs/developer.md), and other promises about the tree."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"sb3_vdb": ROOT / "sb3_vdb", "sb3_vdb_envs": ROOT / "envs" / "sb3_vdb_envs"}
SIMULATORS = {"mujoco", "pybullet", "dm_control", "Box2D", "shimmy"}
# Rooms by floor: a room may import rooms of lower floors, and no other of its own or above.
FLOORS = (
    "errors version",
    "files",
    "zip_files",
    "arguments array_files box_scaling class_paths environments jacobians networks rewards "
    "schedules space_dicts tensor_files transitions vdb",
    "finite_steps finite_weights",
    "extractors policy_files reward_vec_env trpo vec_env views",
    "acting planners restarts",
    "demonstrations discriminators replay_state run_state",
    "recovered_reward stored_episodes",
    "baselines evaluation",
    "adversarial pretrained vmail",
    "methods saved_models",
    "sb3_vdb",  # its __init__
    "experiments integrations",
    "cli",
)
FLOOR_OF = {room: i for i, floor in enumerate(FLOORS) for room in floor.split()}
# the ways from `sb3_vdb` to its environments; everybody else goes by ids
MAY_KNOW_ENVIRONMENTS = ("sb3_vdb.environments", "sb3_vdb.experiments", "sb3_vdb.cli")
# third-party packages that a room must not import
FORBIDDEN = {
    "sb3_vdb_envs": {"sb3_vdb", "torch", "stable_baselines3", "sb3_contrib"},
    "sb3_vdb.vdb": {"gymnasium", "stable_baselines3", "numpy"},
    "sb3_vdb.rewards": {"gymnasium", "stable_baselines3", "numpy"},
    "sb3_vdb.jacobians": {"gymnasium", "stable_baselines3", "numpy"},
    "sb3_vdb.demonstrations": {"torch"},
}
DRAWERS = {"common", "utils", "util", "helpers", "tools", "misc"}


def find_modules():
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([package, *(part for part in parts if part != "__init__")])
            yield pytest.param(name, path, id=name)


MODULES = {param.values[0]: param.values[1] for param in find_modules()}


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Modules that a file imports, for types alone as well; a name counts with its module."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (submodules & set(MODULES)) or {node.module}
    return names


def within(name: str, prefixes) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def room_of(name: str) -> str:
    """First part of a module's path below the package."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


@pytest.mark.parametrize(("name", "path"), list(find_modules()))
def test_imports_follow_the_arrows(name, path):
    for room, forbidden in FORBIDDEN.items():
        if within(name, [room]):
            bad = {each for each in imports(path) if within(each, forbidden)}
            assert not bad, f"{name} must not import {bad}"
    assert not {each for each in imports(path, top_level_only=True) if within(each, SIMULATORS)}
    if within(name, ["sb3_vdb_envs"]):
        return
    ours = {each for each in imports(path) if within(each, ["sb3_vdb"])}
    upwards = {
        each
        for each in ours
        if room_of(each) != room_of(name) and FLOOR_OF[room_of(each)] >= FLOOR_OF[room_of(name)]
    }
    assert not upwards, f"{name} imports {upwards}, which is not below it"
    if name != "sb3_vdb" and not within(name, MAY_KNOW_ENVIRONMENTS):
        known = {each for each in imports(path) if within(each, ["sb3_vdb_envs"])}
        assert not known, f"{name} imports {known}; it must use ids, or sb3_vdb.environments"


def test_no_files_import_each_other_in_a_circle():
    """Not even for types alone; a package's own ``__init__`` counts as a file."""
    open_files = {name: imports(path) & set(MODULES) - {name} for name, path in MODULES.items()}
    while leaves := {name for name, others in open_files.items() if not others}:
        for name in leaves:
            del open_files[name]
        for others in open_files.values():
            others -= leaves
    # what is left imports a circle, or is in one
    in_circle = {
        name for name in open_files if any(name in others for others in open_files.values())
    }
    assert not in_circle, f"a circle goes through some of {sorted(in_circle)}"


def test_every_room_stands_on_a_floor():
    rooms = {room_of(name) for name in MODULES if within(name, ["sb3_vdb"])}
    assert rooms == set(FLOOR_OF)


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def code_lines(function) -> int:
    """Lines of a function with its signature, without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    return lines - (function.body[0].end_lineno - function.body[0].lineno + 1)


def test_files_and_functions_keep_their_size():
    """A file of more than 400 lines is a sign that a noun is missing."""
    for path in MODULES.values():
        assert len(path.read_text().splitlines()) <= 400, path
    lengths = sorted(
        map(code_lines, (node for path in MODULES.values() for node in functions(path)))
    )
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[int(0.9 * len(lengths))] <= 22


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
