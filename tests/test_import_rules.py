"""Who may import whom: each rule is tried in a process of its own, where the forbidden can't be found."""

import subprocess
import sys
from pathlib import Path

import pytest

FORBIDDEN = """
import importlib, sys
class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {forbidden!r}:
            raise ImportError(f"{{name}} is forbidden here")
sys.meta_path.insert(0, Guard())
{setup}
for module in {modules!r}:
    importlib.import_module(module)
"""
DJANGO = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "mnistsite.settings"
django.setup()
"""
PAGE = """
from streamlit.testing.v1 import AppTest
page = AppTest.from_file("streamlit_ui/app.py", default_timeout=30).run()
assert not page.exception, page.exception
"""
ROOT = Path(__file__).parent.parent
OURS = {"classifier", "mnistsite", "predictions", "streamlit_ui", "training"}


def modules_of(package: str) -> list[str]:
    """Every module of ours below a folder, so that a new one is tried too."""
    files = sorted((ROOT / package).rglob("[!_]*.py"))
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]


CLASSIFIER = modules_of("classifier")
TRAINING = modules_of("training")
WEB = modules_of("predictions") + modules_of("mnistsite")


def complaint(code: str) -> str:
    """What a Python process that runs `code` dies of; nothing when it does not."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stderr if result.returncode else ""


@pytest.mark.parametrize(
    ("modules", "forbidden", "setup"),
    [
        (["classifier.preprocess"], {"django", "torch"} | OURS - {"classifier"}, ""),
        (CLASSIFIER, {"django"} | OURS - {"classifier"}, ""),
        (TRAINING, {"django"} | OURS - {"classifier", "training"}, ""),
        (WEB, {"torch", "training", "streamlit", "streamlit_ui"}, DJANGO),
        (["streamlit_ui.client"], {"django", "torch"} | OURS - {"streamlit_ui"}, PAGE),
    ],
    ids=["preprocess", "classifier", "training", "web", "page"],
)
def test_package_needs_nothing_forbidden(modules: list[str], forbidden: set[str], setup: str) -> None:
    assert not complaint(FORBIDDEN.format(forbidden=forbidden, setup=setup, modules=modules))


def test_guard_notices_a_forbidden_import() -> None:
    code = FORBIDDEN.format(forbidden={"torch"}, setup="", modules=["classifier.predictor"])
    assert "torch is forbidden here" in complaint(code)
