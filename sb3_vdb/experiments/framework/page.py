"""Report pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sb3_vdb.files import write_text


def write_page(path: Path, template: str, **values: Any) -> Path:
    """Write a report page.

    :param path: of the page
    :param template: file in the folder of the studies, for example ``"vmail/page.html"``; all
        extend ``framework/page.html``
    :param values: what the template shows
    :return: the path
    """
    loader = PackageLoader("sb3_vdb.experiments", ".")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    write_text(path, pages.get_template(template).render(**values))
    return path
