"""Broken cases in words, in both languages."""

import re

import pytest
from asking_again import LOST, RIGHT, WRONG, always, both, play, terms, then, with_failures

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words.broken_cases import (
    case_sentence,
    cases_headline,
    limit_sentences,
    slips_sentence,
    warning_sentences,
)

EN, KO = Language.EN, Language.KO
N = 30


def reports(*, k=5, wrong=(7,), right=None, must=(), **made):
    """Return both reports, with questions."""
    given = {
        "inputs": [f"환불은 며칠? #{i}" for i in range(N) for _ in range(k)],
        "tags": [["must"] if i in must else [] for i in range(N)],
        **made,
    }
    baseline, _ = both(N, right or {}, k=k, wrong=set(wrong), **given)
    given["inputs"] = [f"환불은 며칠? #{i}" for i in range(N)]
    _, candidate = both(N, right or {}, k=k, wrong=set(wrong), **given)
    return baseline, candidate


def sentences(comparison, language):
    broken = comparison.broken
    return [case_sentence(c, broken, language) for c in broken.cases if c.state != "slip"]


def test_sentence__proven() -> None:
    found = play(reports(), always(WRONG), terms())
    assert sentences(found, EN) == [
        's7 "환불은 며칠? #7" was right 5 of 5 times in the baseline and is wrong 5 of 5 times now.'
    ]
    assert sentences(found, KO) == [
        's7 "환불은 며칠? #7": 베이스라인에서는 5번 중 5번 맞았지만, 지금은 5번 물어 모두 틀렸습니다.'
    ]
    assert cases_headline(found, EN) == "1 of 30 cases broke"
    assert cases_headline(found, KO) == "케이스 30개 중 1개가 깨졌습니다"
    assert found.sentence.startswith(f"1 of 30 cases broke: {sentences(found, EN)[0]}")
    assert " The mean alone cannot tell: exact_match: " in found.sentence
    korean = play(reports(), always(WRONG), terms(KO))
    assert korean.sentence.startswith(
        f"케이스 30개 중 1개가 깨졌습니다. {sentences(found, KO)[0]} 평균만으로는 판단할 수 없습니다. "
    )
    assert [*limit_sentences(found, EN)] == [
        "If nothing changed, at most 5% of runs call any of the 30 cases broken by mistake."
    ]
    assert [*limit_sentences(found, KO)] == [
        "달라진 것이 없는데 케이스 30개 중 하나라도 깨졌다고 잘못 판정할 확률은 5% 이하입니다."
    ]


def test_sentence__asked_only_once_before() -> None:
    found = play(reports(k=1), always(WRONG), terms())
    assert sentences(found, EN) == [
        (
            's7 "환불은 며칠? #7" is wrong 10 of 10 times now. The baseline was right 1 of 1 time: '
            "too few answers to fail a run. With baseline.repeats: 3 they would do."
        )
    ]
    assert sentences(found, KO) == [
        (
            's7 "환불은 며칠? #7": 지금은 10번 물어 모두 틀렸습니다. 베이스라인에서는 1번 중 1번 맞았지만, '
            "물어본 횟수가 적어 실패로 판정하지 않습니다. baseline.repeats: 3이면 판정할 수 있습니다."
        )
    ]
    assert cases_headline(found, EN) == ""
    strict = play(reports(k=1), always(WRONG), terms(broken="strict"))
    assert cases_headline(strict, EN) == "1 of 30 cases stayed wrong"
    assert cases_headline(strict, KO) == "케이스 30개 중 1개가 계속 틀립니다"
    assert strict.sentence.startswith("1 of 30 cases stayed wrong: s7 ")


def test_sentence__a_baseline_that_was_not_always_right() -> None:
    found = play(reports(k=3, right={7: 2}), always(WRONG), terms())
    (english,), (korean,) = sentences(found, EN), sentences(found, KO)
    assert english.endswith("fail a run. The baseline itself was not always right.")
    assert korean.endswith("판정하지 않습니다. 베이스라인에서도 늘 맞은 것은 아닙니다.")


def test_sentence__a_proof_that_the_cap_left_unfinished() -> None:
    found = play(reports(k=3, wrong=range(12)), always(WRONG), terms())
    told = sentences(found, EN)
    assert told[6] == (
        's6 "환불은 며칠? #6" is wrong 2 of 2 times now, and was right 3 of 3 times in the baseline. '
        "8 wrong answers would prove that it broke, but no more could be asked."
    )
    assert "And 9 more: s3, s4, s5, s6, s7, s8, s9, s10, s11." in found.sentence
    assert found.sentence.startswith("6 of 30 cases broke: s0 ")


def test_sentence__required_cases() -> None:
    found = play(reports(must=[7]), always(WRONG), terms())
    assert sentences(found, EN) == [
        'Required case s7 "환불은 며칠? #7" failed: wrong 3 of 3 times (baseline: right 5 of 5).'
    ]
    assert sentences(found, KO) == [
        '필수 케이스 s7 "환불은 며칠? #7" 실패: 3번 물어 모두 틀렸습니다(베이스라인: 5번 중 5번 맞음).'
    ]
    assert cases_headline(found, EN) == "1 required case failed"
    assert cases_headline(found, KO) == "필수 케이스 1개가 실패했습니다"
    two = {"must": {"right": 2, "of": 3}}
    partly = play(reports(must=[7]), then(RIGHT, WRONG), terms(**two))
    assert sentences(partly, EN) == [
        'Required case s7 "환불은 며칠? #7" failed: wrong 2 of 3 times (baseline: right 5 of 5).'
    ]
    assert sentences(partly, KO) == [
        '필수 케이스 s7 "환불은 며칠? #7" 실패: 3번 물어 2번 틀렸습니다(베이스라인: 5번 중 5번 맞음).'
    ]


def test_sentence__no_answer_any_more() -> None:
    baseline, candidate = reports()
    lost = with_failures(candidate, {7: "HTTP 500"})
    found = play((baseline, lost), lambda name, _: LOST if name == "s7" else RIGHT, terms())
    assert sentences(found, EN) == [
        (
            's7 "환불은 며칠? #7" was right 5 of 5 times in the baseline and no longer answers '
            "(HTTP 500, 5 of 5 times)."
        )
    ]
    assert sentences(found, KO) == [
        's7 "환불은 며칠? #7": 베이스라인에서는 5번 중 5번 맞았지만, 이제 답변이 오지 않습니다(5번 모두 HTTP 500).'
    ]


def test_sentence__slips() -> None:
    found = play(reports(), always(RIGHT), terms())
    assert found.sentence.endswith("No case that was right stayed wrong when asked again.")
    assert play(reports(), always(RIGHT), terms(KO)).sentence.endswith(
        "맞던 케이스 중 다시 물어도 계속 틀린 것은 없습니다."
    )
    script = lambda name, _: WRONG if name == "s7" else RIGHT  # noqa: E731
    both_kinds = play(reports(wrong=(7, 8, 9)), script, terms())
    assert slips_sentence(both_kinds.broken, EN) == (
        "2 more went wrong once but were right when asked again: s8, s9"
    )
    assert slips_sentence(both_kinds.broken, KO) == (
        "그 밖에 2개는 한 번 틀렸지만 다시 물어보니 맞았습니다: s8, s9"
    )


def test_sentence__nothing_is_said_where_nothing_went_wrong() -> None:
    found = play(reports(wrong=()), always(RIGHT), terms())
    assert (found.sentence, found.broken.cases) == (found.metrics["exact_match"].sentence, ())


def test_sentence__the_mean_passes_alone() -> None:
    made = {"inputs": None, "tags": None}
    baseline, _ = both(400, {}, k=5, wrong={7}, **made)
    _, candidate = both(400, {}, k=5, wrong={7}, **made)
    found = play((baseline, candidate), always(WRONG), terms())
    assert found.exit_code == 1
    assert found.metrics["exact_match"].verdict == "pass"
    assert " The mean alone would pass: exact_match: " in found.sentence
    korean = play((baseline, candidate), always(WRONG), terms(KO))
    assert " 평균만 보면 통과입니다. exact_match: " in korean.sentence


def test_sentence__warnings() -> None:
    down = play(reports(), always(LOST), terms()).broken
    assert warning_sentences(down, EN) == [
        "The endpoint does not answer, so broken cases could not be checked."
    ]
    assert warning_sentences(down, KO) == [
        "엔드포인트가 응답하지 않아 깨진 케이스를 확인하지 못했습니다."
    ]
    unsteady = play(reports(must=[7], right={7: 4}, wrong=()), always(RIGHT), terms()).broken
    assert warning_sentences(unsteady, EN) == [
        (
            "Required case s7: the baseline was right only 4 of 5 times. "
            "Even if nothing changes, it fails 0.8% of runs."
        )
    ]
    assert warning_sentences(unsteady, KO) == [
        (
            "필수 케이스 s7: 베이스라인에서도 5번 중 4번만 맞았습니다. "
            "챗봇이 그대로여도 실행의 0.8%에서 실패합니다."
        )
    ]


@pytest.mark.parametrize("language", Language)
def test_sentence__fills_every_slot(language: Language) -> None:
    lost = with_failures(reports()[1], {7: "timeout"})
    up = lambda name, _: LOST if name == "s7" else RIGHT  # noqa: E731
    for found in (
        play(reports(k=1), always(WRONG), terms(language)),
        play(reports(k=3, wrong=range(12)), always(WRONG), terms(language)),
        play((None, reports(must=[7])[1]), always(WRONG), terms(language)),
        play((reports()[0], lost), up, terms(language)),
    ):
        told = [found.sentence, found.broken.mean, slips_sentence(found.broken, language)]
        assert not re.search(r"[{}]|None|–", " ".join([*told, *sentences(found, language)]))
