"""C read by tree-sitter: its items at file level, what is broken in them, and which names are declared and used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from tree_sitter import Language, Node, Parser

from corpora.genres.base import Problem

LARGEST = 200_000
"""Characters parsed; a sample has some hundreds. What is beyond is not judged."""

_PIECE = re.compile(
    r'/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|[{}]|^[ \t]*#[ \t]*(?:if|endif)[^\n]*',
    re.DOTALL | re.MULTILINE,
)
_STATEMENT_END = re.compile(r"(?:[;{}]|\*/)[ \t]*\n|^[ \t]*#[^\n]*[^\\\n]\n", re.MULTILINE)

# Items inside these stand at file level too: an include guard wraps a whole header.
_WRAPPERS = frozenset(
    ("preproc_if", "preproc_ifdef", "preproc_else", "preproc_elif", "linkage_specification")
)
_WRAPPER_PARTS = frozenset(("#if", "#ifdef", "#ifndef", "#endif", "#else", "#elif", "identifier"))
_DECLARATORS = frozenset(
    (
        "init_declarator declaration parameter_declaration pointer_declarator array_declarator "
        "function_declarator parenthesized_declarator enumerator preproc_def preproc_function_def preproc_params"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Item:
    """A declaration, function, directive or comment at file level; offsets in characters."""

    start: int
    stop: int
    problems: list[Problem]
    identifiers: list[str]


@dataclass(slots=True)
class Source:
    items: list[Item] = field(default_factory=list)
    size_bytes: int = 0
    broken_bytes: int = 0
    functions_whole: list[bool] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)
    used: list[str] = field(default_factory=list)


def read(text: str) -> Source:
    """What tree-sitter makes of a text; one that was cut off is ended first (`ended`)."""
    text = ended(text[:LARGEST])
    data = text.encode("utf-8", "replace")
    # Characters before each byte are counted only where the text is not ASCII.
    plain = len(data) == len(text)
    source = Source(size_bytes=len(data))
    for node in _file_level(_parser().parse(data).root_node):
        start, stop = node.start_byte, node.end_byte
        if not plain:
            start, stop = (len(data[:at].decode("utf-8", "ignore")) for at in (start, stop))
        problems: list[Problem] = []
        names: list[str] = []
        for inner, parent in _walk(node):
            if inner.type == "ERROR" or inner.is_missing:
                source.broken_bytes += inner.end_byte - inner.start_byte
                if not problems:
                    where = inner.start_point.row - node.start_point.row + 1
                    problems.append(Problem(start, f"line {where} of this item does not parse"))
            elif inner.type == "function_definition":
                source.functions_whole.append(not inner.has_error)
            elif inner.type in ("identifier", "type_identifier", "field_identifier"):
                name = data[inner.start_byte : inner.end_byte].decode("utf-8", "replace")
                names.append(name)
                if parent in _DECLARATORS:
                    source.declared.add(name)
                elif inner.type == "identifier":
                    source.used.append(name)
        source.items.append(Item(start, stop, problems, names))
    return source


def ended(text: str) -> str:
    """A text that was cut off, up to its last whole line of a statement, with what is open there closed."""
    if text.endswith("}\n") or text.endswith(";\n"):
        stop = len(text)
    else:
        ends = [match.end() for match in _STATEMENT_END.finditer(text)]
        # A single unfinished line is judged as it stands.
        stop = ends[-1] if ends else len(text)
    kept = text[:stop]
    braces = conditions = 0
    for match in _PIECE.finditer(kept):
        token = match.group()
        if token == "{":
            braces += 1
        elif token == "}":
            braces -= 1
        elif token.lstrip().startswith("#"):
            conditions += -1 if "endif" in token else 1
    return kept + "}\n" * min(braces, 100) + "#endif\n" * min(conditions, 100)


@cache
def _parser() -> Parser:
    import tree_sitter_c

    return Parser(Language(tree_sitter_c.language()))


def _file_level(root: Node) -> Iterator[Node]:
    """The root's children, those of conditions and `extern "C"` blocks in place of the blocks; 0.1 s per 100 kB."""
    waiting = [iter(root.children)]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
        elif node.type in _WRAPPERS or (node.type == "declaration_list" and len(waiting) > 1):
            waiting.append(iter(node.children))
        elif node.type not in _WRAPPER_PARTS:
            yield node


def _walk(top: Node) -> Iterator[tuple[Node, str]]:
    """Each node below and with `top`, and the type of its parent; an ERROR node's inside is left out."""
    cursor = top.walk()
    parents = [""]
    while True:
        node = cursor.node
        assert node is not None
        yield node, parents[-1]
        if node.type != "ERROR" and cursor.goto_first_child():
            parents.append(node.type)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent() or len(parents) == 1:
                return
            parents.pop()
        if len(parents) == 1:
            return
