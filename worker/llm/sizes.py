"""How large a request and its reply may be, in tokens. What tokens really are is learned from replies, elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

MAX_PROMPT_TOKENS = 8_000  # of questions in one call: beyond it a small model's window, and attention, run short
MAX_REPLY_TOKENS = 16_384  # the most that one reply may take, unless the operator says otherwise

CHARACTERS_PER_TOKEN = 3.0  # French, until replies tell better
REPLY_SHARE = 0.5  # of its ceiling that a reply takes, until replies tell better


def reply_ceiling(*, questions: int, options: int, characters: int) -> int:
    """About twice what a reply takes, thinking included; it costs only what is used.

    An option's explanation of four sentences is some 160 tokens of French; excerpts are quoted. Not bounded by
    `MAX_REPLY_TOKENS`.
    """
    return 1_500 + 600 * questions + 300 * options + characters // 4


ROOM = 2.0  # how much larger than the reply that is expected its ceiling is
MARGIN = 1.15  # replies differ: so much more than expected must fit, or the call is split before it is sent
NEARLY = 0.95  # of its ceiling: a reply that took so much was cut there, or as good as
WANTED_MORE = 1.25  # what a reply that was cut would have taken, at least
LEAST_CEILING = 256
AFTER_CUT = 3  # times what a single question's reply was cut at


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one model at one endpoint takes and writes, as far as it is known. Tokens everywhere.

    `share` is what a reply takes of `reply_ceiling`: a half for a model that does not think, several times as much for
    one that thinks at length.
    """

    most: int = MAX_REPLY_TOKENS  # of one reply: the operator's bound, or what the provider said it supports
    share: float = REPLY_SHARE
    whole: int | None = None  # prompt and ceiling together: the window, or what a minute's limit lets through at once
    parameter: str = "max_completion_tokens"  # the name of the ceiling on the wire

    def ceiling(self, base: int, *, prompt_characters: int, cut_at: int = 0) -> int:
        """The ceiling of a reply for which `reply_ceiling` gives `base`.

        `cut_at`: where the reply to this one question was cut before; it gets more, as far as there is more.
        """
        wanted = int(base * max(1.0, ROOM * self.share))
        return max(LEAST_CEILING, min(max(wanted, AFTER_CUT * cut_at), self.largest(prompt_characters)))

    def largest(self, prompt_characters: int) -> int:
        """The largest ceiling that a prompt of so many characters leaves room for."""
        if self.whole is None:
            return self.most
        return min(self.most, self.whole - prompt_tokens(prompt_characters))

    def fits(self, base: int, *, prompt_characters: int, margin: float = MARGIN) -> bool:
        """Whether the reply that is to be expected fits, with its margin."""
        return base * self.share * margin <= self.largest(prompt_characters)

    def after_reply(self, base: int, ceiling: int, completion_tokens: int) -> float:
        """The share once this reply is known: up at once, down by and by."""
        if not base or not completion_tokens:
            return self.share
        seen = completion_tokens / base
        if ceiling and completion_tokens >= NEARLY * ceiling:
            return max(self.share, seen * WANTED_MORE)
        return seen if seen > self.share else self.share + 0.2 * (seen - self.share)

    @classmethod
    def of(cls, most: int) -> Self:
        """Nothing is known but the operator's bound."""
        return cls(most=most)


UNKNOWN = Capacity()


def prompt_tokens(characters: int) -> int:
    """About how many tokens a prompt has; rather too many."""
    return int(characters / CHARACTERS_PER_TOKEN)
