"""How polite sentences are."""

from lm_eval_so.core.text.speech import Speech, speech_counts, speech_of

SAID: dict[Speech, str] = {
    "formal": "네, 가능합니다|가능합니까?|입력하십시오|감사합니다!!!~♡|확인했습니다ㅋㅋ 😊|가능합니다 (주말 제외).|"
    "가능합니다(영업일 기준)|자세한 것은 안내해 드립니다: https://example.com",
    "haeyo": "도착해요.|안녕하세요|괜찮죠?|줄게요|필요해요|아니에요ㅠㅠ",
    "plain": "한다.|아니다|합시다|누구냐|그렇구나|가자|해라|먹어라|기다리자|"
    "이상하군.|맞군|뭐 하니?|있니?|누구니?|갔더라|그런가?|되는가",
    "casual": "도착해.|필요해|제공해|확인해|문의해|전화해 1588-1234|먹어|있어|고마워|기다려|좋아|뭐야|거야|그렇지|알지|"
    "아니지|그렇네|할래|그래|할게|할걸|할까?|하니까|알려줘|해봐|안 돼|나와|하지 마|이해해|"
    "어렵지.|잘 가.|규칙이거든.|보냈는데.|할 건데|눌러.|그럼.|몰라.|그만둬.|안녕!|미안.|응.|비싸.|아파|예뻐|써|골라|불러|빨라|보내|돌아가|"
    "해야지|했잖아|하려고|없대|좋대|휴무라던데|싫다는데",
}
SILENT = (
    "배송 안내|네.|사용 금지|회원 해지|결제 페이지|공지|이미지|오늘까지|담당자|참가자|후보자|추가 확인 필요|3일 소요|"
    "캐나다|양해|한국어|앱스토어|제어|러시아|분야|동네|미래|거래|아래|가게|드라마|고객와|확인했음|바람|You can.|하다 말고|😊||"
    "어머니|주머니|확대|연대|반대|공군|장군|달러|컬러|시간대|국내|평가|휴가|국가|추가|오빠|쪽파|가운데|그런데.|직거래|그럼 다음|안녕 인사|"
    "위해|대해"
)


def test_speech_of__is_told_by_the_ending() -> None:
    expected: dict[str, Speech | None]
    expected = {text: speech for speech, texts in SAID.items() for text in texts.split("|")}
    expected |= dict.fromkeys(SILENT.split("|"))
    assert {sentence: speech_of(sentence) for sentence in expected} == expected


def test_speech_counts__of_an_answer_with_code_and_a_list() -> None:
    text = "안녕하세요. 아래와 같습니다:\n- 배송 안내\n- 확인해\n```\n한다.\n```\n감사합니다"
    assert speech_counts(text) == {"haeyo": 1, "formal": 2, "casual": 1}


def test_speech_of__long_lines_take_no_time() -> None:
    assert speech_of("가" * 300_000 + ("(" * 100_000) + ")") is None
