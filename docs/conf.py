"""Sphinx configuration."""

from sb3_vdb import __version__

project = "sb3_vdb"
author = "The sb3_vdb developers"
copyright = "2026, The sb3_vdb developers"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "sb3_vdb"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
add_module_names = False


def headings_as_rubrics(app, what, name, obj, options, lines):
    """Gymnasium's docstring headings are Markdown; give Sphinx rubrics."""
    lines[:] = [
        part
        for line in lines
        for part in (["", f".. rubric:: {line[3:]}", ""] if line.startswith("## ") else [line])
    ]


def setup(app):
    app.connect("autodoc-process-docstring", headings_as_rubrics)
