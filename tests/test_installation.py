"""The wheel and the source distribution, and what the wheel can do where no extra is installed."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import PackageNotFoundError, distributions, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sb3_vdb_envs.dependencies import REQUIREMENTS
from sb3_vdb_envs.table import SIMULATORS

ROOT = Path(__file__).parent.parent
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".*_cache", ".venv*", "__pycache__", "*.egg-info", "_build", "build", "dist", "runs"
)
ALSO = ("CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "README.md", "pyproject.toml")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"
# runs when Python starts: what is not installed without extras is not there
HIDE = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    def find_spec(name, path=None, target=None):
        is_hidden = name.partition(".")[0] in {hidden!r}
        return None if is_hidden else PathFinder.find_spec(name, path, target)

sys.meta_path = [Finder if each is PathFinder else each for each in sys.meta_path]
"""


def by_extra(requirements: list[str]) -> dict[str, list[Requirement]]:
    """Requirements that hold here by extra; ``""`` for those of the package itself."""
    found: dict[str, list[Requirement]] = {}
    for text in requirements:
        requirement = Requirement(text)
        named = re.findall(r'extra == "([\w-]+)"', str(requirement.marker))
        for extra in named or [""]:
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                found.setdefault(extra, []).append(requirement)
    return found


def brought_by(requirements: list[Requirement]) -> set[str]:
    """Names of installed packages that these and their own requirements bring."""
    seen: set[tuple[str, str]] = set()
    waiting = [*requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        new = {(name, extra) for extra in ("", *requirement.extras)} - seen
        try:
            theirs = by_extra(requires(name) or []) if new else {}
        except PackageNotFoundError:
            continue
        seen |= new
        waiting += [each for _, extra in new for each in theirs.get(extra, [])]
    return {name for name, _ in seen}


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """What the source distribution holds."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    run(sys.executable, "-c", BUILD.format("sdist"), folder, cwd=folder / "source")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.mark.slow
def test_the_source_distribution_holds_tests_and_documentation(unpacked):
    source = unpacked.parent / "source"
    ours = {"sb3_vdb", "envs", "tests", "docs", ".ci"}
    for path in source.rglob("*"):
        name = path.relative_to(source)
        is_ours = name.parts[0] in ours or (
            len(name.parts) == 1 and path.suffix in {".toml", ".md"}
        )
        if path.is_file() and is_ours:
            assert (unpacked / name).read_bytes() == path.read_bytes(), name


@pytest.mark.slow
def test_the_wheel_works_where_no_extra_is_installed(unpacked, tmp_path):
    run(sys.executable, "-c", BUILD.format("wheel"), tmp_path, cwd=unpacked)
    (wheel,) = tmp_path.glob("*.whl")
    site, empty = tmp_path / "site", tmp_path / "empty"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--target", site, wheel, cwd=tmp_path)
    for package in (ROOT / "sb3_vdb", ROOT / "envs" / "sb3_vdb_envs"):
        names = {
            path.relative_to(package.parent)
            for path in package.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert names == {
            path.relative_to(site)
            for path in (site / package.name).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
    (ours,) = distributions(path=[str(site)])
    there = brought_by(by_extra(ours.requires)[""]) | {"sb3-vdb"}
    hidden = {
        module
        for module, names in packages_distributions().items()
        if not there & {canonicalize_name(name) for name in names}
    }
    assert {"mujoco", "dm_control", "pybullet", "ray", "imageio_ffmpeg", "pytest"} <= hidden
    assert not {"torch", "numpy", "gymnasium", "stable_baselines3", "sb3_vdb"} & hidden
    (site / "sitecustomize.py").write_text(HIDE.format(hidden=hidden))
    empty.mkdir()
    script = ROOT / "tests" / "installed.py"
    run(sys.executable, script, site, cwd=empty, PYTHONPATH=str(site), PYTHONSAFEPATH="1")
    listed = run(site / "bin" / "sb3-vdb", "list", cwd=empty, PYTHONPATH=str(site))
    assert "sb3_vdb/CMaze-v0" in listed


ONLY_PICTURES = {"pygame-ce"}  # in their pictures only
OURS = {"gymnasium"}  # comes with the package


def test_what_a_missing_simulator_asks_for_is_what_its_extra_brings():
    extras = by_extra(requires("sb3-vdb"))
    assert set(REQUIREMENTS) == {simulator.extra for simulator in SIMULATORS.values()}
    for extra, requirements in REQUIREMENTS.items():
        brought = {each.name: each.specifier for each in extras.get(extra, [])}
        for requirement in map(Requirement, requirements):
            if requirement.name in brought or sys.version_info < (3, 12):
                assert brought[requirement.name] == requirement.specifier
    for simulator in SIMULATORS.values():
        named = {Requirement(each).name for each in REQUIREMENTS[simulator.extra]}
        assert named - ONLY_PICTURES == set(simulator.packages) - OURS


def test_no_page_installs_from_an_index_what_no_index_has():
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.splitlines():
                assert not re.search(r"install .*sb3-vdb(?!.*@ git)", line), (page, line)
