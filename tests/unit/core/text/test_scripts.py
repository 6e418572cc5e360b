"""Languages told by their script."""

import unicodedata

import pytest

from lm_eval_so.core.text.scripts import language_share


@pytest.mark.parametrize(
    ("text", "language", "share"),
    [
        ("GPT-4를 사용하면 됩니다", "ko", 1),
        ("Docker를 install 하세요", "ko", 2 / 3),
        ("ㅋㅋㅋ", "ko", 1),
        ("ｈｅｌｌｏ", "en", 1),
        ("`pip install x` 를 실행하세요", "ko", 1),
        ("```\npip install x\n```\n실행하세요", "ko", 1),
        ("https://example.com/a/b?c=d 에서 보세요", "ko", 1),
        ("https://example.com에서 보세요", "ko", 1),
        ("help@example.com 으로", "ko", 1),
        ("```\nYou can pay by card.\n```", "ko", 0),
        ("```text\n카드로 됩니다.\n```", "ko", 1),
        ("~~~md\nYou can pay.\n~~~\n", "en", 1),
        ("```sql\nselect 1 from t\n```", "ko", None),
        ("`You can pay by card.`", "ko", 0),
        ("ｶﾀｶﾅ ﾃｽﾄ", "ja", 1),
        ("東京は晴れです", "ja", 1),
        ("東京は晴れです", "zh", 0),
        ("今天天气很好", "zh", 1),
        ("今天天气很好", "ja", 1),
        ("大韓民國", "ko", 0),
        ("Привет", "en", 0),
        ("30,000", "ko", None),
        ("", "ko", None),
    ],
)
def test_language_share__of_words_with_letters(
    text: str, language: str, share: float | None
) -> None:
    for form in ("NFC", "NFD"):
        assert language_share(unicodedata.normalize(form, text), language) == (
            share if share is None else pytest.approx(share)
        )


@pytest.mark.parametrize("text", ["a" * 100_000, "a@" * 50_000, "https://" * 20_000, "`" * 99_999])
def test_language_share__of_hostile_texts_ends_soon(text: str) -> None:
    language_share(text, "ko")
