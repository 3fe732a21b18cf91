"""The built documentation: references, public names, and how pages look on a phone."""

import importlib
import inspect
import sys
from subprocess import run

import pytest

from tests.browser import chromium
from tests.test_docs import ROOT

pytest.importorskip("furo")
PHONE = 390  # pixels
# tables of results: columns of numbers, which would be harder to read if they wrapped
STUDIES = ("benchmarks", "experiments", "notes", "results.html", "changelog.html")
ROOMS = ("", "adversarial", "baselines", "demonstrations", "discriminators", "evaluation")
ROOMS += ("networks", "vdb", "views", "vmail")
# what scrolls sideways in the text and is no code
SCROLLING = """
return [...document.querySelectorAll('article *')].filter(
  each => each.scrollWidth > each.clientWidth + 1 && !each.closest('.highlight')
    && ['auto', 'scroll'].includes(getComputedStyle(each).overflowX)
).map(each => each.innerText.slice(0, 80))
"""


@pytest.fixture(scope="module")
def pages():
    """Where `make docs` builds, so that nothing is built twice."""
    html = ROOT / "docs/_build/html"
    command = (sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html")
    built = run([*command, "docs", html], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return html


@pytest.mark.slow
@pytest.mark.browser
def test_every_reference_leads_somewhere_and_pages_fit_a_phone(pages):
    with chromium(PHONE) as browser:
        for page in sorted(pages.rglob("*.html")):
            name = str(page.relative_to(pages))
            if name.startswith("_"):  # pictures, scripts, and the source of modules
                continue
            browser.get(page.as_uri())
            width = browser.execute_script("return document.documentElement.scrollWidth")
            assert width <= PHONE, name
            if not name.startswith(STUDIES):
                assert not browser.execute_script(SCROLLING), name


@pytest.mark.slow
def test_every_public_name_is_described(pages):
    from sphinx.util.inventory import InventoryFile

    with (pages / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, path: path)
    described = {
        name.rpartition(".")[2] for kind in inventory if "py:" in kind for name in inventory[kind]
    }
    for room in ROOMS:
        module = importlib.import_module(f"sb3_vdb.{room}".rstrip("."))
        for name in module.__all__:
            each = getattr(module, name)
            if inspect.isclass(each) or inspect.isfunction(each):
                assert name in described, f"{module.__name__}.{name}"
