"""Emoji."""

import regex

_EMOJI = regex.compile(
    r"[\p{Emoji_Presentation}\p{Regional_Indicator}]|\p{Emoji}\uFE0F|\u20E3"
    r"|[\p{Emoji}--\p{ASCII}&&[\u2600-\u27BF]]",
    regex.V1,
)


def has_emoji(text: str) -> bool:
    """Whether a text has an emoji: a picture, a flag, a keycap, or a sign made a picture by U+FE0F.

    Signs of U+2600 … U+27BF that are emoji count as they are (☎, ✔, ❤); ©, ®, ™ and arrows do not.

    Source: Unicode Technical Standard #51.
    """
    return _EMOJI.search(text) is not None
