"""Whether our MusicXML is valid against its schema: `python -m benchmarks musicxml_schema --schema DIR [--count 200]`.

The schema (musicxml_4_0.xsd) is inside a wheel, from which it is taken and never kept here; lxml checks against it:

    python -m pip install lxml
    python -m pip download --no-deps musicxml==1.6.3
    unzip -j musicxml-1.6.3-py3-none-any.whl '*/musicxml_4_0.xsd' -d DIR

Tunes of music21, drawn at random, are written and checked; each is checked damaged as well, which must be refused.
"""

from __future__ import annotations

import argparse
import importlib
import random
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import options
from benchmarks.tunes import books
from checkpoints.errors import ConfigError
from corpora.abc import read_book
from corpora.abc.musicxml import write_musicxml

# What the schema imports from elsewhere: the attributes of these two name spaces that it speaks of.
IMPORTED = {
    "xml.xsd": ("http://www.w3.org/XML/1998/namespace", ("lang", "space")),
    "xlink.xsd": (
        "http://www.w3.org/1999/xlink",
        ("type", "href", "role", "title", "show", "actuate"),
    ),
}


def schema(path: Path) -> Any:
    """The schema as lxml has it. Raises ConfigError where it is not there."""
    etree = importlib.import_module("lxml.etree")
    if not path.is_file():
        raise ConfigError(f"there is no {path}", hint="python -m benchmarks musicxml_schema --help")
    with tempfile.TemporaryDirectory() as folder:
        text = path.read_text(encoding="utf-8").replace("http://www.musicxml.org/xsd/", "")
        (Path(folder) / path.name).write_text(text, encoding="utf-8")
        for name, (space, attributes) in IMPORTED.items():
            lines = "".join(f'<xs:attribute name="{a}" type="xs:string"/>' for a in attributes)
            (Path(folder) / name).write_text(
                f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{space}">{lines}</xs:schema>'
            )
        return etree.XMLSchema(etree.parse(str(Path(folder) / path.name)))


def main(arguments: list[str]) -> int:
    """Check; 1 if a tune's MusicXML is invalid, or if a damaged one passes."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks musicxml_schema",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--count", type=options.whole, default=200)
    args = parser.parse_args(arguments)
    etree = importlib.import_module("lxml.etree")
    known = schema(args.schema / "musicxml_4_0.xsd")
    tunes = [t for b in books() for t in read_book(b.read_text(errors="replace"))]
    chosen = random.Random(1).sample(tunes, min(args.count, len(tunes)))
    invalid = passed = 0
    for tune in chosen:
        data = write_musicxml(tune)
        if not known.validate(etree.fromstring(data)):
            invalid += 1
            print(f"{tune.title}: {known.error_log[0].message}")
        damaged = data.replace(b"<duration>", b"<lasting>").replace(b"</duration>", b"</lasting>")
        passed += known.validate(etree.fromstring(damaged))
    print(
        f"{len(chosen)} tunes: {invalid} invalid; {passed} damaged ones passed (of {len(chosen)})"
    )
    return int(invalid + passed > 0)
