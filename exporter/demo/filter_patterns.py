"""CloudWatch's filter patterns for text that has no structure: which log events match.

`ERROR` matches what has this word, `A B` what has both, `?A ?B` what has any, `-A` what has it not; what stands in
double quotes is one term, in which a backslash takes the meaning from a quote. Case matters. Where `?` stands beside
terms without it, it means nothing. An empty pattern matches everything. Patterns for JSON and for fields, and regular
expressions, are refused here as AWS refuses what it can't read.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"\[\]{}%]+))(?=\s|$)')


@lru_cache(256)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what says whether a message matches. ValueError: the pattern is none."""
    terms: list[tuple[str, re.Pattern[str]]] = []
    place, text = 0, pattern.rstrip()
    while place < len(text):
        found = _TERM.match(text, place)
        if found is None:
            raise ValueError(pattern)
        word = found[3] if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
        terms.append((found[1], _word(word)))
        place = found.end()
    anyone = [term for sign, term in terms if sign == "?"]
    every = [term for sign, term in terms if not sign]
    none = [term for sign, term in terms if sign == "-"]
    if every or none:
        every, anyone = every + anyone, []

    def matches(message: str) -> bool:
        return (
            all(term.search(message) for term in every)
            and not any(term.search(message) for term in none)
            and (not anyone or any(term.search(message) for term in anyone))
        )

    return matches


def _word(word: str) -> re.Pattern[str]:
    """Return the expression for a term that is not the part of a longer word."""
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", word) else ""
    return re.compile(before + re.escape(word) + after)
