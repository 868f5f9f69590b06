"""Tunes made up for the tests."""

from __future__ import annotations

JIG = """X:7
T:The Test Bench
R:jig
M:6/8
L:1/8
K:D
A|:"D"dfa "G"g2e|"A7"cec d2A|"D"dfa {b}a^ga|1 "A7"gec d2:|2 "A7"gec d2||
|:f/g/|"D"afd dfa|"Em"g>fe- e2d|(3c/B/A/ GA c2e|"A7"[ce]2A "D"[Ad]2:|
"""

WALTZ = """X:8
T:Ninth Rebuild Waltz
M:3/4
L:1/4
Q:1/4=150
K:Gmin
G|B2 d|(3c/B/A/ G2|^F>G A|[M:2/4]G2 & D2|[K:G]B c|d2|]
"""

DUET = """X:9
T:Two Processes
M:C
L:1/4
V:1 name="upper"
V:2 name="lower" clef=bass
K:C
V:1
|:c d e f|g4:|
V:2
|:C, D, E, F,|G,4:|
"""

TUNES = {"jig": JIG, "waltz": WALTZ, "duet": DUET}
