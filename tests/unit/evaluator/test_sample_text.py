"""Conversations as text, and rows of conversations in a report."""

from dataclasses import replace
from pathlib import Path

from evaluation import SaidAsker, a_config, a_run, a_sample, report_of, write_dataset, write_run

from lm_eval_so.core.records.chat import Message, ToolCall
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Response, RunResult, Turn
from lm_eval_so.core.records.sample import (
    Passage,
    Provenance,
    Scenario,
    SimulatedUser,
    SourcePlace,
    SourceRef,
    TestSample,
    UserTurn,
)
from lm_eval_so.errors import ErrorKind
from lm_eval_so.evaluator.sample_text import (
    exchanges,
    reported_passages,
    sample_passages,
    shown_context,
    shown_input,
    source_place,
    tool_results,
)

SCRIPT = Scenario(turns=(UserTurn(user="취소요"), UserTurn(user="A-1023이요", when="번호")))
TURNS = (
    Turn(user="취소요", text="번호는?", status=RunStatus.OK),
    Turn(user="A-1023이요", text="취소했습니다", status=RunStatus.OK),
)


def test_shown_input__single_and_fixed_history() -> None:
    assert shown_input(a_sample()) == "환불은 며칠 걸리나요?"
    messages = (Message(role="user", content="가"), Message(role="assistant", content="나"))
    assert shown_input(a_sample(messages=messages)) == "user: 가\n\nassistant: 나"


def test_shown_input__scenario_before_and_after_it_was_played() -> None:
    sample = a_sample(messages=(), scenario=SCRIPT)
    assert shown_input(sample) == "user: 취소요\n\nuser: A-1023이요"
    played = a_run("취소했습니다", turns=TURNS)
    assert shown_input(sample, played) == "user: 취소요\n\nassistant: 번호는?\n\nuser: A-1023이요"


def test_shown_input__simulated_user_by_goal_and_opening() -> None:
    user = SimulatedUser(goal="주문 취소", opening="취소요")
    sample = a_sample(messages=(), scenario=Scenario(simulated_user=user))
    assert shown_input(sample) == "goal: 주문 취소\n\nuser: 취소요"


def test_shown_input__all_that_was_said_where_there_is_no_answer() -> None:
    sample = a_sample(messages=(), scenario=SCRIPT)
    lost = Turn(user="A-1023이요", status=RunStatus.TIMEOUT)
    run = a_run(None, status=RunStatus.TIMEOUT, turns=(TURNS[0], lost))
    assert shown_input(sample, run) == "user: 취소요\n\nassistant: 번호는?\n\nuser: A-1023이요"
    spoiled = a_run(None, status=RunStatus.ERROR, turns=TURNS[:1])
    assert shown_input(sample, spoiled) == "user: 취소요\n\nassistant: 번호는?"


def test_sample_passages__in_order_and_never_a_distractor() -> None:
    passages = (
        Passage(text="가", role="given"),
        Passage(text="나", role="distractor"),
        Passage(text="다", role="gold"),
    )
    sample = a_sample(context=passages)
    assert sample_passages(sample) == ("가", "다")
    assert shown_context(sample) == "가\n\n다"


def test_reported_passages__none_where_all_are_blank() -> None:
    def reported(*texts: str) -> tuple[str, ...]:
        return reported_passages(a_run("답", response=Response(text="답", context=texts)))

    assert reported("나", "", "가") == ("나", "", "가")
    assert reported(" ", "") == reported() == ()
    assert reported_passages(a_run(None, status=RunStatus.TIMEOUT)) == ()


ROWS = [
    {"id": "s1", "expected": "환불", "scenario": {"turns": [{"user": "취소요"}, {"user": "네"}]}},
    {"id": "s2", "expected": "환불", "scenario": {"turns": [{"user": "취소요"}, {"user": "네"}]}},
    {"id": "q1", "expected": "취소했습니다", "input": "취소요"},
]
RUBRIC = {"rubric": "The order is cancelled."}


def answer(sample: TestSample, repeat: int) -> RunResult:
    if sample.id == "q1":
        return a_run("취소했습니다")
    if sample.id == "s2":
        lost = Turn(user="네", status=RunStatus.TIMEOUT)
        error = ErrorInfo(kind=ErrorKind.TIMEOUT, message="no answer within 60 s")
        turns = (TURNS[0], lost)
        return a_run(None, status=RunStatus.TIMEOUT, error=error, turns=turns)
    messages = tuple(
        Message(role=role, content=text)
        for turn in TURNS
        for role, text in (("user", turn.user), ("assistant", turn.text))
    )
    return a_run("", turns=TURNS, response=Response(text="취소했습니다", messages=messages))


def test_evaluate__conversations_are_scored_by_their_last_answer(tmp_path: Path) -> None:
    run = write_run(tmp_path, write_dataset(tmp_path, ROWS), answer)
    judge = SaidAsker('{"reason": "취소됨", "evidence": [], "label": "good"}')
    section = {"name": "scripted"}
    metrics = ["exact_match", {"name": "llm_judge", "params": RUBRIC, "backend": section}]
    report = report_of(a_config(tmp_path, metrics), run, opens=judge.opens)
    assert report.samples.scores["exact_match"] == (0.0, None, 1.0)
    assert report.samples.answers[0] == "취소했습니다"
    cases = {case.sample_id: case for case in report.errors}
    conversation = "user: 취소요\n\nassistant: 번호는?\n\nuser: "
    assert cases["s1"].input == f"{conversation}A-1023이요"
    assert cases["s1"].answer == "취소했습니다"
    assert (cases["s2"].input, cases["s2"].answer) == (f"{conversation}네", None)
    prompts = [request.messages[0].content for request in judge.requests]
    assert len(prompts) == 2
    assert f"{conversation}A-1023이요\n<<END" in prompts[0]


def test_source_place__where_people_look_for_it() -> None:
    at = {"sheet": "요금", "row": 7, "record": 6}
    source = SourceRef(file="sources/요금.xlsx", sha256="0" * 64, at=at)
    sample = a_sample(provenance=Provenance(method="import", source=source))
    place = SourcePlace(file="sources/요금.xlsx", at={"sheet": "요금", "row": 7})
    assert source_place(sample) == place
    assert source_place(a_sample()) is None
    passages = (Passage(role="given", text="다른 문서"), Passage(text="가" * 301))
    quoted = source_place(replace(sample, context=passages))
    assert quoted == replace(place, quote=f"{'가' * 299}…")
    assert source_place(replace(sample, context=passages), has_quote=False) == place


def test_report__references_and_places_of_its_samples(tmp_path: Path) -> None:
    rows = [
        {"id": "q1", "input": "가", "expected": "나", "references": ["다", "라"]},
        {
            "id": "q2",
            "input": "마",
            "context": [{"text": "문의: a@b.kr"}],
            "provenance": {"method": "import", "source": {"file": "faq.csv", "at": {"line": 3}}},
        },
    ]
    run = write_run(tmp_path, write_dataset(tmp_path, rows), lambda *_: a_run("나"))
    columns = report_of(a_config(tmp_path, ["exact_match"]), run).samples
    assert columns.references == (("다", "라"), ())
    assert columns.sources == (
        None,
        SourcePlace(file="faq.csv", at={"line": 3}, quote="문의: a@b.kr"),
    )
    masking = a_config(tmp_path, ["exact_match", "pii_leak"])
    assert report_of(masking, run).samples.sources[1].quote == "문의: a***@b.kr"
    bare = a_config(tmp_path, ["exact_match"], report={"answers": "none"})
    without = report_of(bare, run).samples
    assert without.references is None
    assert without.sources == (None, SourcePlace(file="faq.csv", at={"line": 3}))


def test_tool_results__of_the_answer_alone() -> None:
    """Ids of calls may come again: a result in the history is none of the answer's."""
    asked, old = (
        Message(role="user", content="?"),
        Message(role="tool", tool_call_id="1", content="old"),
    )
    sample, call = a_sample(messages=(asked, old)), ToolCall(id="1", name="f")
    new = Message(role="tool", tool_call_id="1", content="new")
    for added, results in (((), [None]), ((new,), ["new"])):
        run = a_run(None, response=Response(messages=(asked, old, *added)))
        (said,) = exchanges(sample, run)
        assert tool_results([call], said) == results
    assert exchanges(sample, a_run("답")) == []
    assert tool_results([ToolCall(name="f")], (replace(new, tool_call_id=None),)) == [None]
