"""JUnit XML: the gate's metrics and the cases as tests, for the test views of CI systems."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from xml.etree import ElementTree as ET

from lm_eval_so.core.records.comparison import Comparison, MetricComparison
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import Case, EvaluationReport
from lm_eval_so.core.templates.safe import cut, normalise, one_line
from lm_eval_so.core.words.headline import headline_of
from lm_eval_so.reporter.content import Content
from lm_eval_so.reporter.views.cases import case_view, is_answer
from lm_eval_so.reporter.views.view import Words, words_of

_NO_XML = re.compile("[\ufffe\uffff]")
"""Noncharacters that XML 1.0 has no way to write; others are made visible by `normalise`."""
_LONGEST_NAME = 100
_LONGEST_TEXT = 4000
_FAILS = frozenset({Verdict.REGRESSION, Verdict.ERROR})
_UNDECIDED = frozenset({Verdict.INCONCLUSIVE, Verdict.INCOMPARABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    """One test, as a viewer shows it."""

    name: str
    outcome: str = "passed"
    """passed, failure, error or skipped, the names of JUnit's elements."""
    message: str = ""
    text: str = ""


def junit_report(content: Content) -> str:
    """Return a report, a comparison, or both as JUnit XML.

    The first suite is the gate, a test for each gating metric: it fails where the metric got worse,
    and is skipped where it cannot be told. The second has a test for each case: it fails if the case
    fails now, is an error if there is no answer, and is skipped if it is in quarantine.

    Source: the schema that Jenkins, GitLab and GitHub's viewers read,
    https://github.com/testmoapp/junitxml
    """
    report, comparison = content.report, content.comparison
    record = report.experiment if report else comparison
    name = record.suite if record else ""
    clean = _cleaner(content.style.redactor.redact)
    suites = []
    if comparison is not None:
        headline = headline_of(comparison, report, content.style.language)
        suites.append(_suite(f"{name}: gate", _gate(comparison), headline.text, clean))
    if report is not None:
        words = words_of("report", content.style.language)
        suites.append(_suite(name, _cases(report, comparison, words), "", clean))
    root = ET.Element("testsuites", {"name": clean(name), **_sums(suites)})
    root.extend(suites)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _cleaner(redact: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: _NO_XML.sub("\N{REPLACEMENT CHARACTER}", normalise(redact(text)))


def _suite(name: str, tests: Iterator[_Test], told: str, clean: Callable[[str], str]) -> ET.Element:
    suite = ET.Element("testsuite", {"name": clean(name)})
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for each in tests:
        case = ET.SubElement(
            suite, "testcase", {"classname": clean(name), "name": clean(each.name)}
        )
        counts["tests"] += 1
        if each.outcome == "passed":
            continue
        counts["skipped" if each.outcome == "skipped" else f"{each.outcome}s"] += 1
        found = ET.SubElement(case, each.outcome, {"message": clean(each.message)})
        found.text = clean(cut(each.text, _LONGEST_TEXT)) or None
    suite.attrib.update((key, str(n)) for key, n in counts.items())
    if told:
        ET.SubElement(suite, "system-out").text = clean(told)
    return suite


def _sums(suites: list[ET.Element]) -> dict[str, str]:
    keys = ("tests", "failures", "errors", "skipped")
    return {key: str(sum(int(each.attrib[key]) for each in suites)) for key in keys}


def _gate(comparison: Comparison) -> Iterator[_Test]:
    for metric_id, each in comparison.metrics.items():
        if each.gating:
            yield _Test(name=metric_id, outcome=_outcome(each), message=one_line(each.sentence))


def _outcome(metric: MetricComparison) -> str:
    if metric.verdict in _FAILS:
        return "failure"
    return "skipped" if metric.verdict in _UNDECIDED else "passed"


def _cases(
    report: EvaluationReport, comparison: Comparison | None, words: Words
) -> Iterator[_Test]:
    """Yield a test for each sample, in the order of the dataset."""
    columns, refs = report.samples, report.samples.own_ids
    inputs = dict(zip(columns.ids, columns.inputs or (), strict=False))
    shown: dict[str, Case] = {}
    for case in report.errors:
        shown.setdefault(case.sample_id, case)
    failed = {*report.failed_ids, *shown}
    rows = zip(columns.ids, columns.statuses, strict=True)
    unanswered = {sample_id for sample_id, status in rows if not is_answer(status)}
    exempt = {
        each.sample_id: each
        for each in (comparison.quarantine if comparison else ())
        if each.state == "applied"
    }
    for sample_id in dict.fromkeys(columns.ids):
        name, question = refs.get(sample_id, sample_id), inputs.get(sample_id)
        test = _Test(name=f"{name}: {one_line(question, _LONGEST_NAME)}" if question else name)
        if sample_id in failed:
            outcome = "error" if sample_id in unanswered else "failure"
            message, text = _why(sample_id, shown.get(sample_id), report, words)
            if found := exempt.get(sample_id):
                outcome, message = "skipped", f"{found.reason} ({found.until})"
            test = replace(test, outcome=outcome, message=message, text=text)
        yield test


def _why(
    sample_id: str, case: Case | None, report: EvaluationReport, words: Words
) -> tuple[str, str]:
    """Return why a sample failed in one line, and all that is known of it."""
    if case is None:  # only some failed rows are kept in full
        columns = report.samples
        at = columns.ids.index(sample_id)
        scores = {name: values[at] for name, values in columns.scores.items()}
        return ", ".join(f"{name} {v:.3g}" for name, v in scores.items() if v is not None), ""
    view = case_view(case, report.metrics, words, report.samples.own_ids)
    parts = {
        "input": view.input,
        "expected": view.expected,
        "answer": view.answer,
        "error": view.error,
        "why": "\n".join(f"{each.metric}: {each.reason}" for each in view.findings),
    }
    text = "\n\n".join(f"{words(key)}: {value}" for key, value in parts.items() if value)
    return one_line(case.reason), text
