"""View of a judge's health."""

from collections.abc import Iterator

from lm_eval_so.core.records.report import JudgeHealth
from lm_eval_so.core.words.numbers import count, percent, score
from lm_eval_so.reporter.views.metrics import codes_of
from lm_eval_so.reporter.views.view import ABSENT, JudgeRow, Words


def judge_row(judge_id: str, judge: JudgeHealth, words: Words) -> JudgeRow:
    """Return the health of a judge."""
    lost = sum(n for code, n in judge.unscored.items() if code.startswith("judge_"))
    return JudgeRow(
        id=judge_id,
        is_ok=judge.state == "ok",
        model=judge.model or ABSENT,
        scored=count(judge.rows - lost),
        repaired=f"{count(judge.repaired)} ({_share(judge.repaired, judge.rows)})",
        no_score=codes_of(judge.unscored, words) or "0",
        order_flips=_percent(judge.order_flip_rate),
        retest=_retest(judge),
        alpha=_number(judge.alpha),
        kappa=_kappa(judge, words),
        j=_number(judge.calibration.j),
        notes=tuple(_notes(judge, words)),
    )


def _retest(judge: JudgeHealth) -> str:
    if judge.retest_agreement is None:
        return ABSENT
    same = round(judge.retest_agreement * judge.retested)
    return f"{count(same)}/{count(judge.retested)}"


def _kappa(judge: JudgeHealth, words: Words) -> str:
    checked = judge.calibration
    state = words(f"calibration_{checked.state}")
    if checked.kappa is None:
        return state
    kappa = _number(checked.kappa)
    return kappa if checked.state == "ok" else f"{kappa} ({state})"


def _notes(judge: JudgeHealth, words: Words) -> Iterator[str]:
    for member in judge.per_judge:
        told = {"model": member.model or ABSENT, "votes": count(member.votes)}
        if member.differs is None:
            yield words("note_votes", **told)
        else:
            yield words("note_member", **told, share=percent(member.differs))
    if judge.unknown_rate:
        yield words("note_unknown", share=percent(judge.unknown_rate))
    if judge.first_position_share is not None:
        yield words("note_first", share=percent(judge.first_position_share))
    if judge.longer_won_share is not None:
        yield words("note_longer", share=percent(judge.longer_won_share))
    if judge.length_rho is not None:
        yield words("note_length", rho=score(judge.length_rho))
    yield from (words(f"judge_note_{code}") for code in judge.notes)


def _number(value: float | None) -> str:
    return ABSENT if value is None else score(value)


def _percent(value: float | None) -> str:
    return ABSENT if value is None else percent(value)


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else ABSENT
