"""Words as their document spells them: those that print cuts or takes apart are mended by what else stands in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise

from worker.courses.chunk.addresses import Names, join_addresses

_LETTERS = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
# The end of a line, or a mark that programs put there alone: the lines of a table's cell stand beside one another.
_CUT_WORD = re.compile(
    r"(?<![^\W\d_])([^\W\d_]++)(?:[-\u00ad\u2010\ufffe\x02][ \t]*+\n|[\u2010\ufffe\x02](?=[ \t]))[ \t]*+([^\W\d_]+)"
)
# `CA-⏎125`, `amd64-⏎netinst`, `7-⏎déhydrocholestérol`: beside a figure the hyphen is the word's own.
_CUT_NUMBER = re.compile(
    r"[-\u2010\ufffe\x02](?:(?<=[\w-]\d.)|(?<=\d.)(?=[ \t]*\n\d)|(?<=[^\W\d_].)(?=[ \t]*\n\d)|"
    r"(?<=[\s,(]\d.)(?=[ \t]*\n[a-zà-ÿœ]{6})|(?<=[₀-₉⁰¹²³⁴-⁹⁺⁻].))[ \t]*\n(?=\w)"
)
_ELIDED = re.compile(r"[dlmnst]['\u2019]")
_REST = re.compile(r"-([^\W\d_]+)")
_ROMAN = re.compile(r"[IVXL]{2,7}")
# `impor- tance`: the end of a line that a program turned into a space.
_LOOSE_CUT = re.compile(r"(?<![^\W\d_-])([^\W\d_]{2,})[-\u2010\ufffe\x02] ([^\W\d_]{2,})")

# The halves of a word that the line of a cell cuts are no words.
_MARK = re.compile(r"[\u2010\ufffe\x02]")
_HALVES = re.compile(r"(?<![^\W\d_])[^\W\d_]++[\u2010\ufffe\x02] [^\W\d_]++")

_ANY_CUT = re.compile(r"[-\u00ad\u2010\ufffe\x02][ \t]*[\n ]|[\ufffe\x02]")
_CUTS = frozenset("-\u00ad\u2010\ufffe\x02")
# What French writes with a hyphen whatever a text's other words are, and what it writes in one from two words.
_HYPHENED = re.compile(
    r".+-mêmes?|(?:celui|celle|ceux|celles)-(?:ci|là)|peut-être|à-dire|(?:est|sont|qu)-ce|.*[td]-(?:ils?|elles?|on)|"
    r".{2,}(?:ez|ons)-(?:y|en|vous|nous|l[ae]|les|lui|leur|moi)|"
    r"(?:au|ci|en|là|par)-(?:dessus|dessous|dehors|delà|devant|avant|contre|après)|vis-à|à-vis|"
    r"(?:non|demi|semi|quasi|pseudo|vice|nord|sud)-.{3,}|ci-(?:joint|inclus|annexé)e?s?|"
    r"sus-(?!ce|ci|pe|pi|ten|di|no|men).{3,}|méta-analys.+|(?!inter).{5,}-dépendante?s?|"
    r".+(?:iv|ic)o-.{4,}|contre-[aeéiou].{3,}|(?:anti|semi|multi|mini|poly|pluri)-i.{3,}|"
    r"(?:auto|micro|macro|neuro|gastro|broncho|radio|électro|bio|psycho|socio|intra|extra|infra|supra|ultra)-[iu].{3,}|"
    r"porte-(?:avions?|parole|monnaie|drapeau|bagages?|clés?|greffe|à-faux)|"
    r"sous-(?!cri|tra[iy]|tract|sign|ten|tien).+"
)
# A document whose lines end with so few hyphens breaks no words: each of them is its word's own.
FEW_CUTS, LONG_LINE, ENOUGH_LINES, FEWER_LINES = 0.035, 40, 100, 60  # the fewer where a single one ends so
SEVERAL = 3
MIN_PREFIX, LONGEST_ABBREVIATION = 3, 5  # letters
# With a capital they begin a sentence, and are no second half of a name.
_BEGINNERS = re.compile("aux?|ces?|cette|dans|de|des|du|elles?|en|et|ils?|l[ae]|les|ne|on|par|pour|sur|une?")
_COMBINES = re.compile(
    r".{3,}o|.*(?:[éê]ta|para|upra|[lnx]tra|nfra|lpha|éga)|anti|multi|semi|mini|pluri|super|inter|hyper|arrière|avant|après|"
    r"contre|entre"
)
_ALSO_PREFIXES = re.compile("trans|circum|contre|entre|outre|avant|après|arrière|micro|radio|super")
_PREFIX = re.compile(
    "post|pré|per|péri|anti|auto|co|inter|intra|extra|hyper|hypo|sub|sus|multi|mono|bi|tri|micro|macro"
)
_IN_ONE = re.compile(
    "surtout|lorsque|puisque|quoique|pourtant|cependant|toujours|plusieurs|partout|autour|autant|plutôt|bientôt|"
    "aussitôt|malgré|parfois|quelquefois|longtemps|davantage|maintenant|pourquoi|parmi|avantage|pourcentage"
)


def _pairs(word: str) -> Iterator[str]:
    """`udes-genie` and `genie-these` of `udes-genie-these`: print may cut it at either hyphen."""
    parts = word.split("-")
    return (f"{one}-{two}" for one, two in pairwise(parts)) if len(parts) > 2 else iter(())


class Spelling:
    """How often a document writes each word, hyphens included."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._words: Counter[str] = Counter()
        self._names = Names()
        self._begins_words: dict[str, bool] = {}  # by what words begin with
        self._cuts: list[str] = []
        self._long_lines = 0
        is_cut = False
        head = ""
        for text in texts:
            words = _LETTERS.findall(_HALVES.sub(" ", text.lower()) if _MARK.search(text) else text.lower())
            self._long_lines += len(text) > LONG_LINE
            if is_cut and words and text[0].islower():
                self._cuts.append(head + words[0])
            # What a cut leaves at the end of a line, and at the beginning of the next, are no words.
            first, is_cut = int(is_cut), text[-1:] in _CUTS
            self._words.update(words[first : len(words) - is_cut])
            head = words[-1] if is_cut and words else ""
            if text.count("-") > 1:
                self._words.update(pair for word in words for pair in _pairs(word))
            self._names.learn(text)

    def mend(self, text: str) -> str:
        """Words that are cut at the end of a line (`hyper-⏎tension`) or before a space (`impor- tance`)."""
        if _ANY_CUT.search(text) is None:
            return join_addresses(text, self._names)
        text = _CUT_NUMBER.sub("-", text)
        text = join_addresses(text, self._names)
        mended = _CUT_WORD.sub(self._join_cut, text)
        while mended != text:  # `rénine-⏎angiotensine-⏎aldostérone`: a half may be cut again
            text, mended = mended, _CUT_WORD.sub(self._join_cut, mended)
        return _LOOSE_CUT.sub(self._join_loose, text)

    def _join_cut(self, cut: re.Match[str]) -> str:
        is_abbreviated = 1 < len(cut[1]) <= LONGEST_ABBREVIATION and cut[1].isupper() and cut[2].islower()
        if is_abbreviated and not self._words[(cut[1] + cut[2]).lower()]:
            return f"{cut[1]}-{cut[2]}"  # `ATP-⏎citrate`
        if _ELIDED.match(cut.string, cut.start(2)):
            return f"{cut[1]}-{cut[2]}"  # `main-⏎d'œuvre`
        rest = _REST.match(cut.string, cut.end())
        known = any(self._words[half.lower()] for half in cut.groups()) or _BEGINNERS.fullmatch(cut[2].lower())
        if rest is not None and known and not self._words[(cut[1] + cut[2]).lower()]:
            is_prefix = _HYPHENED.fullmatch(f"{cut[1]}{cut[2]}{rest[0]}".lower())  # `une selle se-⏎mi-liquide`
            return cut[1] + cut[2] if is_prefix else f"{cut[1]}-{cut[2]}"  # `le pied-⏎dans-la-porte`
        if cut.string[max(0, cut.start() - 1) : cut.start()] == "-" and self._are_words(cut[1].lower(), cut[2].lower()):
            return f"{cut[1]}-{cut[2]}"  # of a compound of three
        return self.join(cut[1], cut[2])

    def _are_words(self, head: str, tail: str) -> bool:
        """Whether two halves are words of the document, and no one word of it."""
        if self._words[head + tail] or len(tail) <= MIN_PREFIX or not self._words[tail]:
            return False
        return self._words[head] > 0 or _COMBINES.fullmatch(head) is not None

    def join(self, head: str, tail: str) -> str:
        """Two halves of a line's end in one word or with a hyphen: as the document, else as French writes them."""
        in_one, hyphened = head + tail, f"{head}-{tail}"
        if len(head) == 1 and not self._words[in_one.lower()]:
            return hyphened  # no print cuts a word after its first letter: `β-⏎bloquant`
        if tail[0].isupper() and _BEGINNERS.fullmatch(tail.lower()) and not self._words[hyphened.lower()]:
            return f"{head}- {tail}"  # the hyphen ends a word, and its line: `bactéries Gram-⏎On les traite`
        if tail[0].isupper() and not self._words[in_one.lower()] > self._words[hyphened.lower()]:
            return hyphened  # the hyphen was the word's own (`Saint-⏎Louis`), or that of an ion (`Na-⏎K`)
        one, two = self._times(in_one.lower()), self._times(hyphened.lower())
        if one != two or _IN_ONE.fullmatch(in_one.lower()):
            return in_one if one >= two else hyphened
        if len(head) <= 2 and head[0].isupper() and self._words[tail.lower()]:
            return f"{head}- {tail}"  # an ion before a word of its own: `le Cl-⏎qui`
        is_own = not self._breaks_words and (self._words[head.lower()] > 0 or _COMBINES.fullmatch(head.lower()))
        is_own = is_own or self._is_prefix(head.lower(), tail.lower())
        both = self._words[head.lower()] > 1 and self._words[tail.lower()] > 1 and min(len(head), len(tail)) > 3
        known = is_own or both or self._forms_words(head.lower())
        return hyphened if known or _HYPHENED.fullmatch(hyphened.lower()) else in_one

    def _times(self, word: str) -> int:
        """How often a word stands in the document; in the plural, or not, where it does not stand so."""
        return self._words[word] or self._words[word[:-1] if word.endswith("s") else f"{word}s"]

    @cached_property
    def _breaks_words(self) -> bool:
        """Whether words are broken at the ends of this document's lines: many are, or one that it also spells whole."""
        least = ENOUGH_LINES if len(self._cuts) > 1 else FEWER_LINES
        if self._long_lines < least or len(self._cuts) > FEW_CUTS * self._long_lines:
            return True
        return any(self._words[word] for word in self._cuts)

    def _forms_words(self, head: str) -> bool:
        """Whether the document writes a word before others with a hyphen: alone too (`densité-dépendance`), or before
        several and it is no beginning of words (`libpam-ldap`, `libpam-pgsql`)."""
        if len(head) <= 4 or _ALSO_PREFIXES.fullmatch(head):
            return False
        times = self._heads[head]
        return times > 0 and (self._words[head] > 0 or (times >= SEVERAL and not _COMBINES.fullmatch(head)))

    def _is_prefix(self, head: str, tail: str) -> bool:
        """Whether the document writes a beginning of words with a hyphen (`post-exercice`, so `post-⏎alcool`), and none
        of its words in one: of two that are words of it too."""
        if len(tail) > MIN_PREFIX and self._tails[tail] and _PREFIX.fullmatch(head):
            return True  # `pré-biopsie`, so `post-⏎biopsie`
        if len(head) < MIN_PREFIX or not (self._heads[head] and self._words[tail]):
            return False
        if head not in self._begins_words:
            self._begins_words[head] = self._find_word_begun(head)
        return not self._begins_words[head]

    def _find_word_begun(self, head: str) -> bool:
        """Whether a word in one begins so, whose rest is a word too."""
        for at in range(bisect_left(self._sorted, head), len(self._sorted)):
            word = self._sorted[at]
            if not word.startswith(head):
                return False
            if len(word) >= len(head) + MIN_PREFIX and word[len(head) :] in self._words:
                return True
        return False

    @cached_property
    def _tails(self) -> Counter[str]:
        """After how many others each word stands with a hyphen."""
        return Counter(word.rsplit("-", 1)[1] for word in self._words if "-" in word)

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(word for word in self._words if "-" not in word)

    @cached_property
    def _heads(self) -> Counter[str]:
        """Before how many others each word stands with a hyphen."""
        return Counter(word.split("-", 1)[0] for word in self._words if "-" in word)

    def _join_loose(self, cut: re.Match[str]) -> str:
        if _ROMAN.fullmatch(cut[1]):
            return cut[0]  # `III- Propriétés`
        in_one, hyphened = cut[1] + cut[2], f"{cut[1]}-{cut[2]}"
        one, two = self._words[in_one.lower()], self._words[hyphened.lower()]
        if one or two:
            return in_one if one >= two else hyphened
        return cut[0]
