"""How large a request and its reply may be, in tokens. What tokens really are is learned from replies, elsewhere."""

from __future__ import annotations

MAX_PROMPT_TOKENS = 8_000  # of questions in one call: beyond it a small model's window, and attention, run short
MAX_REPLY_TOKENS = 16_000  # what common models can write at once: they refuse a call that asks for more

CHARACTERS_PER_TOKEN = 3.0  # French, until replies tell better
REPLY_SHARE = 0.5  # of its ceiling that a reply takes, until replies tell better


def reply_ceiling(*, questions: int, options: int, characters: int) -> int:
    """About twice what a reply takes, thinking included; it costs only what is used.

    An option's explanation of four sentences is some 160 tokens of French; excerpts are quoted. Not bounded by
    `MAX_REPLY_TOKENS`.
    """
    return 1_500 + 600 * questions + 300 * options + characters // 4
