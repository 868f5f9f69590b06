"""Small texts of each genre, written for these tests."""

from __future__ import annotations

PROSE = """The harbour was quiet when the first boat came in. Nobody had slept much, and the men on the quay
spoke in low voices about the weather (it had been bad for a week).

"We lost two nets," said the old man, and he sat down on a coil of rope. "Two nets and the better anchor."

His daughter brought him a cup of tea. She had walked down from the house on the hill, as she did every morning
when the boats were late, and she asked him nothing at all.

Later the sun came out. The gulls went back to their places on the roof of the market, and the children went to
school by the long way round, past the boats.
"""

PLAY = """First Fisherman:
The tide comes in, and with the tide the fog;
I would not put to sea for all thy gold.

MARGARET:
Then stay ashore and mend the nets with me.

First Fisherman:
I will, good lady, if there be a fire,
And bread, and something better than the rain.

Second Fisherman:
He speaks for both of us. [Aside] And for the dog.

MARGARET:
Come in, come in, and bring the dog as well.
"""

LATEX = r"""\section{Small numbers}
\label{section-small}

\noindent
We say that a number $n$ is {\it small} if $n < 10$, see Section \ref{section-small}.

\begin{lemma}
\label{lemma-small}
Let $a$ and $b$ be small. Then $a + b < 20$.
\end{lemma}

\begin{proof}
We have $a \leq 9$ and $b \leq 9$, so that
\[
a + b \leq 18 < 20.
\]
This proves Lemma \ref{lemma-small}.
\end{proof}

\begin{itemize}
\item The sum of two small numbers need not be small.
\item The number $0$ is small.
\end{itemize}
"""

C = """#include <stddef.h>

/* The sum of n numbers. */
static int sum(const int *numbers, size_t n)
{
    int total = 0;
    for (size_t i = 0; i < n; i++)
        total += numbers[i];
    return total;
}

static int largest(const int *numbers, size_t n)
{
    int best = numbers[0];
    size_t i;
    for (i = 1; i < n; i++) {
        if (numbers[i] > best)
            best = numbers[i];
    }
    return best;
}
"""

RECIPE = """MMMMM----- Recipe via Meal-Master (tm) v8.05

      Title: Harbour Soup
 Categories: Soups, Fish
      Yield: 4 servings

      2 lb White fish, cut up
      1 lg Onion, chopped
  1 1/2 c  Milk
    1/2 ts Pepper
           Salt

  Fry the onion in a large pot until soft.  Add the fish and the
  milk and simmer for twenty minutes.

  Season with salt and pepper and serve hot.

MMMMM

"""

TUNE = """X:1
T:The Long Way Round
R:reel
M:4/4
L:1/8
K:D
|:d2fd Adfd|edcB A2FA|d2fd Adfa|gece d4:|
|:f2af dfaf|gfed e2ce|f2af dfaf|gece d4:|

"""

VERSE = """The boats come in at break of day
with silver in the hold (and more),
the gulls are crying on the bay,
the morning wind is cold, they swore.

And up the hill the lamps go out,
the kettles start to sing,
and all the children run about
to see what they may bring.
"""

BY_GENRE = {
    "prose": PROSE,
    "plays": PLAY,
    "latex": LATEX,
    "c_source": C,
    "recipes": RECIPE,
    "abc_tunes": TUNE,
    "verse": VERSE,
}
