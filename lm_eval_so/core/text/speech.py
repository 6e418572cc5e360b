"""Speech levels (politeness) of Korean sentences, by their endings.

Some nouns end as verbs do (페이지 and 하지, 금지 and 그렇지, 담당자 and 하자, 필요 and 가요), and lists are
full of them. So an ending of one syllable counts only after the stem of a verb, and not in known
nouns. A doubtful sentence has no level.
"""

import re
from collections import Counter
from typing import Final, Literal

from lm_eval_so.core.text.korean import final_consonant, is_syllable
from lm_eval_so.core.text.number_words import words
from lm_eval_so.core.text.sentences import sentences

Speech = Literal["formal", "haeyo", "plain", "casual"]

_LONGEST_WORD: Final = 12
_NO_FINAL, _NIEUN, _RIEUL, _BIEUP = 0, 4, 8, 17

_NOUNS: Final = words(
    "필요 불필요 소요 수요 개요 중요 주요 동요 강요 가요 민요 바다 캐나다 최다 과다 판다 소다 사이다 수다 "
    "이해 양해 피해 방해 오해 침해 손해 장해 저해 재해 공해 유해 새해 올해 한해 화해 견해 동해 서해 남해 상해 "
    "대해 위해 통해 인해 의해 관해 비해 향해 더해 분야 시야 심야 광야 평야 초야 재야 동네 네 네네 빨래 걸 "
    "샤워 파워 타워 고려 배려 염려 우려 격려 제어 방어 수어 표어 주어 목적어"
)
_ORDERS: Final = re.compile("(?:[해봐와줘마어아거여하가돼]|되어)라$")
_PROPOSALS: Final = re.compile(
    "(?:[하먹말주쓰놓두찾잡들받쉬]|(?<![참평휴인허])가|(?<![후제홍정])보|맞추|만들|나누|기다리)자$"
)
_VERB_BEFORE_JI: Final = re.compile(
    "(?:[겠었았였했됐갔왔봤줬하되있없맞좋많않르알렇니거야같싶늦높넓짧낮찾읽쉽춥덥맵렵럽갑쁘]|(?<!페)이|^크|아프)지$"
)
_COMING: Final = re.compile("(?:^|나|들어|가져|돌아|다녀|올라|내려|찾아)와$")
_PAST: Final = "겠었았였했됐갔왔봤줬"
_PLAIN: Final = re.compile(
    f"(?:구나|더라|구먼)$|(?:[{_PAST}하되있없좋맞렇싶않]|[^가-힣])군$|(?:는|던|은)가$|^(?:그런|어떤|무엇인|누구인)가$"
    f"|(?:[{_PAST}하있없좋맞렇먹]|^(?:가|오|보|아|누구|뭐|어디|언제))니$"
)
_CASUAL: Final = re.compile(
    "거든$|잖아$|려고$|(?:^|[은는한인던된간난린건])데$"
    f"|(?:는|된|[{_PAST}있없좋싶많같])대$"
    "|(?:눌|불|흘|찔|들|서둘|둘|머물)러$|(?:몰|골|올|빨|달|잘)라$|(?:바|나|가)빠$|[뻐써둬놔춰]$|^(?:꺼|켜|펴|쳐)$|(?:시|가르|고|망)켜$|가르쳐$|고쳐$|슬퍼$|^커$"
    "|비?싸$|^(?:아|고|배고)파$|(?:보|끝|꺼|^)내$|나아$|(?:들어|돌아|올라|내려|지나|찾아|다녀|걸어|따라|^나)가$"
)
_NO_ENDING: Final = words("그런데 한데 데 달러 컬러 국내 안내 내")
_GOING: Final = re.compile(r"(?:잘|어서|빨리|얼른|먼저|같이|안|못|다시|조심히|집에) 가\W*$")
_WHOLE: Final = words("안녕 미안 응 그럼 아니 아냐")
"""Casual words that are a sentence."""
_NOUN_BEFORE_EO: Final = frozenset("언단영용국본색조불독은상문등웨토투도케헤기모광숙속")
_ALWAYS: Final = "해야네까줘봐돼워려"


def speech_counts(text: str) -> Counter[Speech]:
    """Count the sentences of a text by speech level; sentences without one are left out."""
    levels = map(speech_of, sentences(text))
    return Counter(level for level in levels if level is not None)


def speech_of(sentence: str) -> Speech | None:
    """Return the speech level of a sentence by its ending; None if it has none.

    Text after the last Hangul syllable does not count: ㅋㅋ, ㅠㅠ, emoji, marks, a remark in
    brackets. formal: …ㅂ니다, …ㅂ니까, …십시오. haeyo: …요, …죠. plain: …다, …냐, …니, …구나, …군, …더라, …는가,
    하자, 해라. casual: …어 (워, 려, 눌러), …아 (몰라, 둬, 써), …야, …지, …해, …네, …래, …게, …걸, …까, …거든, …는데, …대,
    …줘, …봐, …돼, …와, …마, 잘 가, after the stem of a verb; 안녕, 응 and 그럼 alone.
    """
    word = _last_word(sentence)
    before = final_consonant(word[-3]) if len(word) >= 3 else None
    if word.endswith("십시오") or (word[-2:] in {"니다", "니까"} and before == _BIEUP):
        return "formal"
    if not word or word in _NOUNS or word in _NO_ENDING:
        return None
    if word in _WHOLE:
        return "casual" if sum(map(is_syllable, sentence)) == len(word) else None
    if word[-1] in "요죠":
        return "haeyo"
    if word[-1] in "다냐" or _PLAIN.search(word) or _ORDERS.search(word) or _PROPOSALS.search(word):
        return "plain"
    is_casual = word[-1] in _ALWAYS or _CASUAL.search(word) or _is_casual(word)
    return "casual" if is_casual or _GOING.search(sentence[-_LONGEST_WORD:]) else None


def _is_casual(word: str) -> bool:
    before = word[-2:-1]
    final = final_consonant(before) if before else None
    return {
        "어": bool(before) and before not in _NOUN_BEFORE_EO,
        "아": final not in {None, _NO_FINAL},
        "지": _VERB_BEFORE_JI.search(word) is not None,
        "래": final == _RIEUL or before == "그",
        "게": final == _RIEUL,
        "걸": final in {_NIEUN, _RIEUL},
        "와": _COMING.search(word) is not None,
        "마": word == "마" or before == "지",
    }.get(word[-1], False)


def _last_word(sentence: str) -> str:
    """Return the syllables at the end of a sentence, up to a space, but no more than a few."""
    end = _end(sentence, len(sentence))
    if sentence[end:].strip().startswith(")"):  # 가능합니다 (주말 제외).
        opened = sentence.rfind("(", 0, end)
        end = _end(sentence, opened) if opened > 0 else end
    start = end
    while start > 0 and end - start < _LONGEST_WORD and is_syllable(sentence[start - 1]):
        start -= 1
    return sentence[start:end]


def _end(sentence: str, end: int) -> int:
    while end > 0 and not is_syllable(sentence[end - 1]):
        end -= 1
    return end
