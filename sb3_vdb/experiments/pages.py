"""Report pages."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def template(name: str) -> Any:
    """A page of the experiments; all extend ``page.html``.

    :param name: for example ``"transfer/table.html"``
    """
    loader = PackageLoader("sb3_vdb.experiments", ".")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(name)
