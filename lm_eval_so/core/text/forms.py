"""Unicode forms and width."""

import unicodedata


def nfc(text: str) -> str:
    """Return the composed form (NFC); the text itself if it is that already."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def width(text: str) -> int:
    """Return the columns that a text takes in a terminal: East Asian wide characters take two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
