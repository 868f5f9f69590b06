"""C read by tree-sitter: its items at file level, what is broken in them, and which names are declared and used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

from tree_sitter import Language, Node, Parser, Tree

from corpora.genres.base import Problem

LARGEST = 200_000
"""Characters parsed; a sample has some hundreds. What is beyond is not judged."""

DEEPEST = 100
"""Levels of nesting; people stay below 20, and tree-sitter's time grows with the square of them (8 s for 100,000)."""

PATIENCE = 0.2
"""Reports of progress for each byte, 0.04 ms each; C written by people takes 0.01, its words shuffled 0.03."""

_PIECE = re.compile(
    r'/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|[{}]', re.DOTALL
)
_OPEN_COMMENT = re.compile(r"/\*(?!.*\*/).*", re.DOTALL)
_STATEMENT_END = re.compile(r"(?:[;{}]|\*/)[ \t]*\n|^[ \t]*#[^\n]*[^\\\n]\n", re.MULTILINE)
_VALUE = re.compile(r"(?:\b(?:struct|union|enum)\b[\w\s]*|=\s*)\Z")
_CONDITION = re.compile(r"[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif)\b(.*)")
# `list_for_each(el, head) {` is no C until the preprocessor has run; `while` parses in its place.
_LOOP_MACRO = re.compile(
    r"(?<=[ \t])(?!switch|while)[a-z_]\w{4,}+(?= ?\([^;{}\n]{1,200}\)\s{0,80}\{\n)"
)
_INLINE_MACRO = re.compile(r"\b(?=[A-Za-z]\w{0,40}(?:inline|INLINE))[A-Za-z]\w*\b(?= )")
# `PyAPI_FUNC(int) f(void);` declares an int.
_TYPE_MACRO = re.compile(r"\b\w{0,30}(?:API|EXPORT|EXTERN)\w{0,30}\(([\w *]{1,60})\)(?= \w)")
# `PyObject_HEAD` in a struct: a line that is one macro; `Py_DEPRECATED(3.7) int f(`: one before a declaration.
_LINE_MACRO = re.compile(r"(?<=[;{]\n)[ \t]*[A-Za-z_]\w{0,60}(?:\([^()\n;]{0,200}\))?(?=[ \t]*\n)")
_PREFIX_MACRO = re.compile(
    r"^[A-Z]\w{2,60}\([^()\n;]{0,200}\)(?= {1,60}[A-Za-z_][\w \t*]*[ *]\w+\()", re.M
)
# `EXPORT int f(`, `static NPY_INLINE int f(`, `void _Py_NO_RETURN f(`: a word in capitals says how, not what.
_EXPORT_MACRO = re.compile(
    r"(?:^|(?<=^extern )|(?<=^static ))[A-Z][A-Z0-9_]{3,40}"
    r"(?= {1,2}(?:(?:const|struct|unsigned) )?\w{1,40} ?\*{0,2} ?\w{1,60} ?(?:\\\n *)?[(;])",
    re.MULTILINE,
)
# `ITT_STUB(int, f, (void))` on a line of its own declares something; `Py_GCC_ATTRIBUTE((...))` ends a declaration.
_CALL_MACRO = re.compile(r"^[A-Z][A-Z0-9_]{2,40}\([^;{}\n]*\)[ \t]*$(?!\n\s*\{)", re.MULTILINE)
_SUFFIX_MACRO = re.compile(r"(?<=\))\s{1,40}[A-Z]\w{3,40}\(\([^;{}\n]{0,100}\)\)(?=;)")
_QUALIFIER = (
    "extern|static|const|inline|typedef|return|struct|unsigned|enum|union|goto|else|case|define"
)
_HOW_MACRO = re.compile(
    rf"^((?:(?:extern|static|const|inline) ){{0,3}}(?!(?:{_QUALIFIER})\b)\w{{2,40}}[ *]+)"
    r"((?:_Py_)?[A-Z][A-Z0-9_]{3,40})(?=[ *]+\w)",
    re.MULTILINE,
)
_VISIBLE = re.compile(r"[^\n]")
_NEVER = re.compile(r"\s*(?:0|defined\(__cplusplus\)|__cplusplus)\s*(?:/[/*].*)?")

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
    kind: str = ""
    """What tree-sitter calls it."""


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
    depth = deepest(text[:LARGEST])
    if depth > DEEPEST:
        return _unreadable(text, f"nested {depth} deep")
    whole = text
    text = _LOOP_MACRO.sub(_as("while"), ended(first_branches(text[:LARGEST])))
    text = _INLINE_MACRO.sub(_as("inline"), text)
    text = _TYPE_MACRO.sub(lambda match: match[1].ljust(len(match.group())), text)
    for macro in (_LINE_MACRO, _PREFIX_MACRO, _EXPORT_MACRO, _CALL_MACRO, _SUFFIX_MACRO):
        text = macro.sub(lambda match: _VISIBLE.sub(" ", match.group()), text)
    text = _HOW_MACRO.sub(lambda match: match[1] + " " * len(match[2]), text)
    data = text.encode("utf-8", "replace")
    # Characters before each byte are counted only where the text is not ASCII.
    plain = len(data) == len(text)
    source = Source(size_bytes=len(data))
    tree = _tree(data)
    if tree is None:
        return _unreadable(whole, "far from being C")
    for node in tree.root_node.children:
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
        source.items.append(Item(start, stop, problems, names, node.type))
    return source


def _unreadable(text: str, why: str) -> Source:
    size = len(text.encode("utf-8", "replace"))
    return Source([Item(0, len(text), [Problem(0, why)], [])], size, size)


def _tree(data: bytes) -> Tree | None:
    """The tree, or None of a text that is so far from C that mending it would take `PATIENCE` and more.

    `*)*)*)...` takes time with the square of its length: 0.4 s for 2,000 characters. Progress is told after so many
    operations, not after so much time, so that the same text always gets the same verdict.
    """
    asked = 0

    def enough(offset: int, broken: bool) -> bool:
        nonlocal asked
        del offset, broken
        asked += 1
        return asked > 200 + PATIENCE * len(data)

    parser = _parser()
    try:
        return parser.parse(lambda offset, _: data[offset:], progress_callback=enough)
    except ValueError:
        parser.reset()  # or it would go on with this text at the next
        return None


def deepest(text: str) -> int:
    """The deepest nesting of brackets, whatever stands in comments and strings."""
    depth = most = 0
    for char in re.findall(r"[()\[\]{}]", text):
        depth = depth + 1 if char in "([{" else max(0, depth - 1)
        most = max(most, depth)
    return most


def ended(text: str) -> str:
    """A text that was cut off, up to its last whole line of a statement, with what is open there closed.

    One that was cut inside a comment is kept whole: headers have comments longer than a sample.
    """
    pieces = list(_PIECE.finditer(text))
    if pieces and pieces[-1].end() == len(text) and _OPEN_COMMENT.fullmatch(pieces[-1].group()):
        text += "*/"
        stop = len(text)
    elif text.endswith("}\n") or text.endswith(";\n"):
        stop = len(text)
    else:
        ends = [match.end() for match in _STATEMENT_END.finditer(text)]
        # A single unfinished line is judged as it stands.
        stop = ends[-1] if ends else len(text)
    kept = text[:stop]
    opened: list[int] = []
    for piece in pieces:
        if piece.start() < stop and piece.group() == "{":
            opened.append(piece.start())
        elif piece.start() < stop and piece.group() == "}" and opened:
            opened.pop()
    return kept + "".join(_closing(kept[max(0, at - 200) : at]) for at in opened[:-100:-1])


def _closing(head: str) -> str:
    """What ends a block, by what stands before its brace: a type or a list of values is a statement, a body none."""
    head = re.split(r"[;{}]", head)[-1]
    if "typedef" in head:
        return "} _;\n"
    return "};\n" if _VALUE.search(head) else "}\n"


def first_branches(text: str) -> str:
    """The text with its conditions resolved: the first branch kept (of `#if 0` and C++ the second), the rest blanked.

    tree-sitter reads all branches at once, and a function whose head is there twice does not parse. Offsets stay.
    """
    lines = text.split("\n")
    # One entry a nested condition: whether its present branch is kept, whether one of its branches was.
    nested: list[tuple[bool, bool]] = []
    goes_on = False
    for i, line in enumerate(lines):
        match = _CONDITION.match(line)
        # A condition ends with its line, save for a backslash.
        was_condition, goes_on = goes_on, line.endswith("\\") and (goes_on or match is not None)
        if was_condition:
            lines[i] = " " * len(line)
            continue
        if match is None:
            if nested and not nested[-1][0]:
                lines[i] = " " * len(line)
            continue
        outer = nested[-2][0] if len(nested) > 1 else True
        kind = match[1]
        if kind.startswith("if"):
            inside = nested[-1][0] if nested else True
            kept = inside and not (kind != "ifndef" and _NEVER.fullmatch(match[2]))
            nested.append((kept, kept))
        elif nested and kind == "endif":
            nested.pop()
        elif kind == "endif" and i and lines[i - 1] == 'extern "C" {':
            lines[i - 1] = " " * len(lines[i - 1])  # the `#ifdef __cplusplus` above it was cut off
        elif nested:
            kept = outer and not nested[-1][1]
            nested[-1] = (kept, nested[-1][1] or kept)
        lines[i] = " " * len(line)
    return "\n".join(lines)


def _as(keyword: str) -> Callable[[re.Match[str]], str]:
    """What a macro stands for, in as many characters."""
    return lambda match: keyword.ljust(len(match.group()))


@cache
def _parser() -> Parser:
    import tree_sitter_c

    return Parser(Language(tree_sitter_c.language()))


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
