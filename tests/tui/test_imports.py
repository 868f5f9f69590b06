"""The studio opens in under a second because it loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TUI = Path(__file__).resolve().parents[2] / "tui"
MODULES = sorted(
    ".".join(p.relative_to(TUI.parent).with_suffix("").parts).removesuffix(".__init__")
    for p in TUI.rglob("*.py")
)


def test_no_module_of_the_studio_loads_torch_numpy_or_music21() -> None:
    code = f"import sys, {', '.join(MODULES)}; print([m for m in ('torch', 'numpy', 'music21') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SINKS = {
    "Static",
    "Label",
    "Button",
    "DataTable",
    "OptionList",
    "ListView",
    "Log",
    "RichLog",
    "Markdown",
    "TextArea",
    "Tree",
    "DirectoryTree",
    "Select",
    "SelectionList",
    "TabbedContent",
    "Collapsible",
    "Text",
    "Panel",
    "Table",
}


@pytest.mark.parametrize("path", sorted(TUI.rglob("*.py")), ids=lambda p: p.name)
def test_no_widget_that_parses_markup_is_used(path: Path) -> None:
    """Text from outside is drawn by `Ink` and its kin only; titles, toasts and palette entries are made literal."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("textual", "rich")):
            names = {alias.name for alias in node.names}
            assert not names & SINKS, f"{path.name}:{node.lineno} imports {names & SINKS}"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "notify"
        ):
            markup = [k.value for k in node.keywords if k.arg == "markup"]
            assert markup, f"{path.name}:{node.lineno} a toast that parses markup"
            assert isinstance(markup[0], ast.Constant)
            assert markup[0].value is False
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr in (
                    "border_title",
                    "border_subtitle",
                    "tooltip",
                ):
                    text = ast.unparse(node.value)
                    safe = (
                        text == "None"
                        or "one_line(" in text
                        or isinstance(node.value, ast.Constant)
                    )
                    assert safe, f"{path.name}:{node.lineno} a title that is not literal: {text}"
