"""Sphinx configuration."""

import importlib
import pkgutil
import typing

import gymnasium as gym
from stable_baselines3.common import type_aliases
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

# SB3 writes these two with names that only type checkers know; with the classes themselves, Sphinx
# can evaluate the annotations of whatever uses them
type_aliases.GymEnv = gym.Env | VecEnv
type_aliases.MaybeCallback = typing.Union[  # noqa: UP007
    None, typing.Callable, list[BaseCallback], BaseCallback
]

from sphinx.ext.autodoc.mock import mock  # noqa: E402
from typing_extensions import Self  # noqa: E402

import sb3_vdb  # noqa: E402

# has an environment of its own, and its classes are documented here as well
autodoc_mock_imports = ["imitation"]


def prepare_annotations():
    """Let annotations be evaluated: those with ``Self``, which only type checkers import, and those
    of named tuples, which autodoc shows as they are written.
    """
    for package in (sb3_vdb, sb3_vdb.sb3_vdb_envs):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.split(".")[1] in ("cli", "experiments"):
                continue
            with mock(autodoc_mock_imports):
                names = vars(importlib.import_module(found.name))
            names.setdefault("Self", Self)
            for each in names.values():
                if isinstance(each, type) and issubclass(each, tuple) and hasattr(each, "_fields"):
                    each.__new__.__annotations__ = typing.get_type_hints(each)


prepare_annotations()

project = "sb3_vdb"
author = "The sb3_vdb developers"
copyright = "2026, The sb3_vdb developers"
release = version = sb3_vdb.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "sb3_vdb"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
add_module_names = False
maximum_signature_line_length = 80  # longer ones show an argument a line

# A reference that leads nowhere is an error. Other packages' documentation is not read while
# building, so that it needs no network; of theirs, names are shown and not linked.
nitpicky = True
OTHERS = (
    "collections|gymnasium|imitation|io|np|npt|numpy|pandas|pathlib|"
    "sb3_contrib|spaces|stable_baselines3|tempfile|th|torch"
)
nitpick_ignore_regex = [
    (r"py:.*", rf"({OTHERS})\..*"),
    (r"py:class", r"sb3_vdb\..*\.Self\w+"),  # type variables
]


def headings_as_rubrics(app, what, name, obj, options, lines):
    """Gymnasium's docstring headings are Markdown; give Sphinx rubrics."""
    lines[:] = [
        part
        for line in lines
        for part in (["", f".. rubric:: {line[3:]}", ""] if line.startswith("## ") else [line])
    ]


def leave_out_fields(app, what, name, obj, skip, options):
    """Fields of named tuples are described as parameters, not once more."""
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None


def resolve_short_name(app, env, node, contnode):
    """Look for a name without its module, as docstrings have it, in all modules."""
    if node.get("refdomain") != "py" or "." in node["reftarget"]:
        return None
    node["refspecific"] = True
    where = (node["refdoc"], app.builder, node["reftype"], node["reftarget"])
    return env.domains["py"].resolve_xref(env, *where, node, contnode)


def setup(app):
    app.connect("missing-reference", resolve_short_name)
    app.connect("autodoc-skip-member", leave_out_fields)
    app.connect("autodoc-process-docstring", headings_as_rubrics)
