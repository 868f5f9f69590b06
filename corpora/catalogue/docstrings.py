"""`latex-docstrings`: the mathematical documentation of sympy, mpmath, torch, networkx and numpy, turned into LaTeX."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from checkpoints.errors import CorpusError
from corpora.catalogue.order import mixed
from corpora.catalogue.restructured import latex
from corpora.genres import find
from corpora.syntax.latex import blocks

PACKAGES = ("sympy", "mpmath", "networkx", "numpy", "torch")

# Where an interpreted text without a role is a formula, by the package's Sphinx settings.
FORMULAS_IN_BACKTICKS = frozenset(("sympy", "mpmath"))

_FORMULA = re.compile(rb":math:|\.\. ?math ?::|\$[^$\n]+\$|`[^`\n]*[\\^][^`\n]*`")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SKIPPED = frozenset(
    (
        "tests",
        "test",
        "testing",
        "_inductor",
        "_dynamo",
        "_vendor",
        "benchmarks",
        "_export",
        "onnx",
        "fx",
        "f2py",
    )
)

SHORTEST = 300
"""Characters of a docstring; a shorter one explains nothing."""

FORMULAS = 1
"""Formulas that make a docstring mathematical."""


def make() -> str:
    """A section for each documented function or class that speaks of formulas, in a seeded order, without doubles."""
    sections: dict[str, None] = {}
    for package in PACKAGES:
        for name, text in _docstrings(package):
            body = latex(text, formulas_in_backticks=package in FORMULAS_IN_BACKTICKS)
            if body.count("$") + 2 * body.count("\\[") < 2 * FORMULAS or _CONTROL.search(body):
                continue
            section = f"\\section{{{_escaped(name)}}}\n\\label{{{name}}}\n\n{body}\n"
            # What is not balanced was no clean reStructuredText.
            if not any(block.problems for block in blocks(section + "\n")):
                sections.setdefault(section)
    if not sections:
        raise CorpusError(
            "none of sympy, mpmath, networkx, numpy and torch is installed here as source",
            hint="reinstall rnnstudio; they come with torch",
        )
    return "\n".join(mixed(sorted(sections), find("latex")))


def _docstrings(package: str) -> Iterator[tuple[str, str]]:
    """(qualified name, docstring) of a package's modules, in the order of their paths. Nothing is imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return
    root = Path(spec.submodule_search_locations[0])
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if _SKIPPED.intersection(parts):
            continue
        data = path.read_bytes()
        if not _FORMULA.search(data):
            continue
        try:
            tree = ast.parse(data)
        except (SyntaxError, ValueError):
            continue
        module = ".".join((package, *parts)).removesuffix(".__init__")
        yield from _of_tree(module, tree)


def _of_tree(module: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            text = ast.get_docstring(node, clean=True)
            if text and len(text) >= SHORTEST:
                name = module if isinstance(node, ast.Module) else f"{module}.{node.name}"
                yield name, text
        elif isinstance(node, ast.Call) and _adds_docstring(node):
            # numpy and torch give compiled functions their documentation by a call.
            strings = [a for a in ast.walk(node) if isinstance(a, ast.Constant)]
            texts = [
                a.value for a in strings if isinstance(a.value, str) and len(a.value) >= SHORTEST
            ]
            if texts:
                yield f"{module}.{_target(node)}", max(texts, key=len).strip()


def _adds_docstring(call: ast.Call) -> bool:
    named = call.func
    name = named.id if isinstance(named, ast.Name) else getattr(named, "attr", "")
    return name in ("add_docstr", "add_newdoc") and len(call.args) >= 2


def _target(call: ast.Call) -> str:
    first = call.args[1 if isinstance(call.args[0], ast.Constant) else 0]
    return (
        first.value
        if isinstance(first, ast.Constant) and isinstance(first.value, str)
        else ast.unparse(first)
    )


def _escaped(name: str) -> str:
    return name.replace("_", r"\_")
