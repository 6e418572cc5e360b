"""Messages of errors in another language than English."""

import re
from pathlib import Path

import pytest

import lm_eval_so
from lm_eval_so.core.backends.error_texts import TEXTS
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import texts
from lm_eval_so.core.words.phrases import event_in, problem_in

KO = Language.KO


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("no answer within 60 s", "60초 안에 답하지 않았습니다"),
        # names and figures stay, messages inside of messages do not
        (
            "12 of 12 rows have no answer (error 12); last: cannot reach http://127.0.0.1:1 (connection refused)",
            "답변 12건 중 12건을 받지 못했습니다(error 12). 마지막 오류: http://127.0.0.1:1 주소에 연결할 수 없습니다(연결이 거부됨)",
        ),
        # two pieces of advice
        (
            "raise run.max_requests; lm-eval-so ci asks all again",
            "run.max_requests 값을 올리세요. lm-eval-so ci 명령으로 모두 다시 물을 수 있습니다",
        ),
        ("buy a key; nothing else was sent", '"buy a key". 다른 요청은 보내지 않았습니다'),
        # somebody else's words are a quotation
        ("the bot sleeps", '"the bot sleeps"'),
        ("no answer within  s", '"no answer within  s"'),
        ("", ""),
        # and a hostile one is no work
        ("; last: " * 9_000, f'"{"; last: " * 9_000}"'),
        (f"no answer within {'; ' * 250} s", f'"no answer within {"; " * 250} s"'),
        (f"a{'; last: no answer within 1 s' * 20}"[:590], None),
    ],
)
def test_problem_in__korean(message: str, told: str) -> None:
    assert told in {None, problem_in(message, KO)}
    assert problem_in(message, Language.EN) == message


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("30 rows: ok 30", "답변 30건: ok 30"),
        ("1 row: ok 1", "답변 1건: ok 1"),
        ("1 of 1 row has no answer (error 1)", "답변 1건 중 1건을 받지 못했습니다(error 1)"),
        (
            "stopped: 0 of 1 row is in runs/bot",
            "중단: 답변 1건 중 0건이 runs/bot 폴더에 있습니다",
        ),
        (
            "runs/bot was not asked by ci: its answers may come from the cache, so all is asked anew; it is kept as runs/bot.1",
            "runs/bot: ci 명령으로 물은 실행이 아니어서 캐시에 있던 답변이 섞여 있을 수 있습니다. 모두 새로 묻고, 이전 답변은 runs/bot.1 폴더에 남겨 둡니다",
        ),
        (
            "runs/bot was asked at another commit (1234567 → 89abcde); it is kept as runs/bot.1",
            "runs/bot: 다른 커밋에서 물은 실행입니다(1234567 → 89abcde). 이전 답변은 runs/bot.1 폴더에 남겨 둡니다",
        ),
        (
            "asking 3 cases again and main's configuration about 1 case (round 2)",
            "케이스 3개 다시 묻는 중, main 설정으로도 1개(2번째)",
        ),
        (
            "no baseline yet: lm-eval-so baseline update reports --reason TEXT takes this report as one",
            "아직 베이스라인이 없습니다. 이 보고서를 베이스라인으로 저장하려면: lm-eval-so baseline update reports --reason TEXT",
        ),
        (
            "come back with lm-eval-so ci -c a.yaml, or stop it with evaluate --cancel-batch",
            "lm-eval-so ci -c a.yaml 명령으로 이어서 진행하거나, evaluate --cancel-batch 옵션으로 멈추세요",
        ),
        ("batch b_1: in_progress, 2 of 30", "배치 b_1: in_progress, 30건 중 2건"),
        (
            (
                "right: the judge labelled 39 of 40 answers; weighted by its labels of the run (good 93, "
                "bad 27); agreement 0.94; κ 0.83; Se 0.97; Sp 0.84; J 0.81; α among people 0.90"
            ),
            (
                "right: 평가 모델이 답변 40개 중 39개에 라벨을 매김; 실행 전체의 라벨로 가중(good 93, bad 27); "
                "일치율 0.94; κ 0.83; Se 0.97; Sp 0.84; J 0.81; α among people 0.90"
            ),
        ),
        (
            (
                "versus: where both prefer one answer, 15 of 16 times the same; the judge's winner changed "
                "with the order 2 times"
            ),
            (
                "versus: 사람과 평가 모델이 모두 한쪽을 고른 16번 중 15번 같은 답변을 골랐고, 평가 모델은 순서를 "
                "바꾸자 2번 다른 답변을 골랐습니다"
            ),
        ),
        ("a plugin says: hello; bye", "a plugin says: hello; bye"),
        (
            "answers to label in r/labels_todo.csv: agent 1, helpful 6; then: lm-eval-so calibrate r/labels_todo.csv",
            "라벨을 매길 답변을 r/labels_todo.csv 파일에 썼습니다: agent 1, helpful 6. 라벨을 매긴 다음: lm-eval-so calibrate r/labels_todo.csv",
        ),
    ],
)
def test_event_in__korean_as_far_as_its_wording_is_known(line: str, told: str) -> None:
    assert event_in(line, KO) == told
    assert event_in(line, Language.EN) == line


def test_problem_in__knows_what_is_said_of_endpoints() -> None:
    for message, hint in TEXTS.values():
        for text in filter(None, (message, hint)):
            told = problem_in(re.sub(r"\{(\w+)[^}]*\}", r"«\1»", text), KO)
            assert re.search("[가-힣]", told) or text == "{told}"


def test_problem_in__every_wording_is_that_of_an_error() -> None:
    """A message whose wording changes is a quotation until its wording here changes, too."""
    files = Path(lm_eval_so.__path__[0]).rglob("*.py")
    source = re.sub(r'"\n +f?"', "", "\n".join(file.read_text("utf-8") for file in files))
    found = {
        code: max(re.split(r"\{[^}]+\}|[():;]", text), key=len).strip(' "')
        for code, text in texts(Language.EN).items()
        if code.startswith(("problems.", "events.")) and code != "problems.foreign"
    }
    # as os.strerror says it, or put together
    others = {"problems.refused", "events.main", "events.again_and_main", "events.shard"}
    others |= {"events.stopped", "problems.interrupted_rows"}
    assert not [c for c, words in found.items() if words not in source and c not in others]
