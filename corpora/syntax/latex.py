"""Whether LaTeX's braces, formulas and environments open and close in order, read in one pass."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Set
from typing import NamedTuple

from corpora.genres.base import Problem

_TOKEN = re.compile(
    r"""
    (?P<verb>\\(?:verb|lstinline)\*?(?P<bar>[^\sa-zA-Z*])[^\n]{0,300}?(?P=bar))
  | (?P<verbatim>\\begin\{(?P<raw>verbatim\*?|lstlisting|comment)\})
  | \\begin\s?\{(?P<begin>[a-zA-Z]{1,30}\*?)\}
  | \\end\s?\{(?P<end>[a-zA-Z]{1,30}\*?)\}
  | (?P<section>\\(?:part|chapter|(?:sub)*section)(?![a-zA-Z]))
  | (?P<environment>\\(?:begin|end)(?![a-zA-Z]))
  | (?P<mathopen>\\[\[(])
  | (?P<mathclose>\\[\])])
  | (?P<command>\\(?:[a-zA-Z@]+\*?|.|\n))
  | (?P<comment>%[^\n]*)
  | (?P<dollar>\$\$?)
  | (?P<open>\{)
  | (?P<close>\})
  | (?P<blank>\n[ \t]*\n\s*)
    """,
    re.VERBOSE,
)

_CLOSES = {r"\]": r"\[", r"\)": r"\("}
_FORMULAS = frozenset(("$", "$$", r"\[", r"\("))
_WITHIN_PARAGRAPH = _FORMULAS | {"{"}

LONGEST = 5000
"""Characters after which what is open at the text's end counts as forgotten and not as cut off."""


COMMON = frozenset(
    "\\" + name
    for name in """
    Alpha Beta Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega alpha beta gamma delta epsilon varepsilon
    zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho sigma varsigma tau upsilon phi varphi chi
    psi omega sum prod coprod int iint iiint oint bigcup bigcap bigsqcup bigvee bigwedge bigodot bigotimes bigoplus
    biguplus pm mp times div ast star circ bullet cdot cap cup uplus sqcap sqcup vee wedge setminus wr diamond
    oplus ominus otimes oslash odot bigcirc dagger ddagger amalg leq le geq ge ll gg neq ne equiv sim simeq approx
    cong propto prec succ preceq succeq subset supset subseteq supseteq subsetneq supsetneq sqsubset sqsupset in ni
    notin vdash dashv models perp mid parallel bowtie smile frown asymp doteq not leftarrow rightarrow to gets
    leftrightarrow Leftarrow Rightarrow Leftrightarrow mapsto longmapsto longleftarrow longrightarrow implies iff
    longleftrightarrow Longrightarrow hookrightarrow hookleftarrow uparrow downarrow Uparrow Downarrow nearrow
    searrow swarrow nwarrow rightharpoonup leftharpoonup rightleftharpoons forall exists nexists neg lnot top bot
    emptyset varnothing infty partial nabla ell hbar imath jmath Re Im aleph wp angle triangle backslash prime
    ldots cdots vdots ddots dots dotsb dotsc quad qquad hspace vspace hfill vfill smallskip medskip bigskip
    frac dfrac tfrac cfrac binom sqrt root over choose atop overline underline overbrace underbrace widehat
    widetilde hat tilde bar vec dot ddot check breve acute grave mathring overset underset stackrel substack
    left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr langle rangle lceil rceil lfloor rfloor vert Vert
    lvert rvert lVert rVert mathbf mathrm mathit mathsf mathtt mathcal mathbb mathfrak mathscr boldsymbol text
    textbf textit textrm textsf texttt textsc emph operatorname mathop limits nolimits displaystyle textstyle
    scriptstyle lim liminf limsup sup inf max min arg sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh
    log ln exp det dim ker deg gcd hom Pr bmod pmod mod begin end item label ref eqref pageref cite section
    subsection subsubsection paragraph chapter part title author date maketitle tableofcontents footnote caption
    includegraphics input include usepackage documentclass newcommand renewcommand newtheorem newenvironment def
    let it bf rm sf tt sc em tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge centering
    noindent indent par newline newpage clearpage linebreak pagebreak hline cline multicolumn multirow tag notag
    nonumber intertext url href index bibitem bibliography bibliographystyle appendix proof qed qedhere today
    TeX LaTeX S P dag copyright pounds ss ae oe aa o l i j AE OE AA O L mathstrut phantom hphantom vphantom
    xrightarrow xleftarrow lbrace rbrace lbrack rbrack colon thinspace
    """.split()
)
"""Commands of LaTeX and AMS-LaTeX that everybody may use, whether the training text has them or not."""


class _Open(NamedTuple):
    at: int
    what: str
    """`{`, a formula's sign, or the name of an environment."""


class Block(NamedTuple):
    """A stretch of text at whose end nothing is open, and what is wrong within it."""

    start: int
    stop: int
    problems: list[Problem]
    commands: list[str]


def blocks(text: str) -> Iterator[Block]:
    """The text in blocks that end at a blank line outside everything; the last one may end unfinished.

    A formula or a brace ends at the latest with its paragraph and an environment with its section, so that one lost
    `$` does not turn the meaning of all that follows round. Time is linear: each opener is pushed and popped once.
    """
    stack: list[_Open] = []
    open_kinds: Counter[str] = Counter()
    start, problems, commands = 0, list[Problem](), list[str]()

    def close(what: str, at: int, shown: str) -> None:
        """Closes the innermost `what`, reporting what was open inside it."""
        if not open_kinds[what]:
            problems.append(Problem(at, f"{shown} closes nothing"))
            return
        while True:
            inner = stack.pop()
            open_kinds[inner.what] -= 1
            if inner.what == what:
                return
            problems.append(Problem(inner.at, f"{_shown(inner.what)} is still open at {shown}"))

    def push(what: str, at: int) -> None:
        stack.append(_Open(at, what))
        open_kinds[what] += 1

    def drop(kinds: Set[str], why: str) -> None:
        """Closes everything as far down as one of these kinds is open."""
        while any(open_kinds[kind] for kind in kinds):
            inner = stack.pop()
            open_kinds[inner.what] -= 1
            problems.append(Problem(inner.at, f"{_shown(inner.what)} is {why}"))

    at = 0
    while match := _TOKEN.search(text, at):
        kind, token, at = match.lastgroup, match.group(), match.end()
        place = match.start()
        if match["verbatim"]:
            stop = text.find(f"\\end{{{match['raw']}}}", at)
            at = len(text) if stop < 0 else stop + len(f"\\end{{{match['raw']}}}")
        elif match["begin"]:
            push(match["begin"], place)
        elif match["end"]:
            close(match["end"], place, f"\\end{{{match['end']}}}")
        elif kind == "environment" and text.find("\n", at) >= 0:
            problems.append(Problem(place, f"{token} without a name in braces"))
        elif kind == "mathopen":
            push(token, place)
        elif kind == "mathclose":
            close(_CLOSES[token], place, token)
        elif kind == "command":
            commands.append(token)
        elif kind == "dollar":
            # Inside $ ... $ the text `$$` is the end of one formula and the beginning of another.
            for sign in (token,) if not (token == "$$" and open_kinds["$"]) else ("$", "$"):
                if open_kinds[sign]:
                    close(sign, place, sign)
                else:
                    push(sign, place)
        elif kind == "open":
            push("{", place)
        elif kind == "close":
            close("{", place, "}")
        elif kind == "section":
            commands.append(token)
            drop(frozenset(open_kinds), f"still open at {token}")
        elif kind == "blank":
            drop(_WITHIN_PARAGRAPH, "not closed in its paragraph")
            if not stack:
                yield Block(start, place, problems, commands)
                start, problems, commands = at, [], []
    if stack and len(text) - stack[0].at > LONGEST:
        problems.append(Problem(stack[0].at, f"{_shown(stack[0].what)} is never closed"))
    if text[start:].strip():
        yield Block(start, len(text), problems, commands)


def _shown(what: str) -> str:
    return what if what == "{" or what in _FORMULAS else f"\\begin{{{what}}}"
