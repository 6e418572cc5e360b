"""A comparison in which every part has something to say, beside the report of a hard day."""

from dataclasses import replace

from full_report import full_report, with_rows
from made_reports import changed, comparison

from lm_eval_so.core.records.changes import Exemption, FlakyCase, SliceComparison
from lm_eval_so.core.records.report import Labels

LENGTHS = ("≤ 50", "51–200")
PRODUCTS = ("충전기", "케이블 & 젠더", "(none)")


def full_comparison():
    """Return a comparison with slices, known flaky and accepted samples, and some asked again."""
    return replace(
        comparison(),
        changed=(
            changed("s0009", reason="기간이 다릅니다", again=(2, 2)),
            changed(again=(1, 2)),
            changed(metric="helpful", baseline=1.0, candidate=0.333),
            changed("refund-020", input="환불은 며칠?", candidate_answer="첫째 줄\n둘째 줄"),
            changed("s0003"),
            changed("s0019", "better"),
        ),
        slices=slices(),
        slices_tested=84,
        flaky=(
            FlakyCase(
                sample_id="s0011", metric="exact_match", baseline=1.0, candidate=0.0, again=(1, 3)
            ),
        ),
        quarantine=(
            exemption("s0012"),
            exemption("환불-9", state="expired", until="2026-11-01", scores={}),
        ),
        accept=(
            exemption("s0013", reason="새 말투 안내", max_drop=1.0, drop=1.0),
            exemption(None, metric="helpful", state="exceeded", max_drop=0.1, drop=0.25, scores={}),
        ),
        rerun="lm-eval-so run --config lm-eval-so.yaml -o runs/baseline\n"
        "lm-eval-so evaluate runs/baseline -o baselines/support-qa.json",
    )


def labelled(made=None):
    """Return the report of all rows with their length and a metadata key."""
    made = made or with_rows(full_report())
    rows = range(len(made.samples.ids))
    labels = {
        "length": Labels(values=LENGTHS, places=tuple(row % 2 for row in rows)),
        "product": Labels(values=PRODUCTS, places=tuple(row % 3 for row in rows)),
    }
    return replace(made, samples=replace(made.samples, labels=labels))


def slices():
    """Return slices of each kind: proven worse and better, not proven, too small."""
    gone = {"ci90": None, "change": None, "p_raw": None, "p_adjusted": None}
    return (
        a_slice("tag", "환불"),
        a_slice("product", "케이블 & 젠더", n=31, p_adjusted=0.08),
        a_slice(
            "language",
            "en",
            baseline=0.6,
            candidate=0.8,
            delta=0.2,
            ci90=(0.1, 0.3),
            change="better",
        ),
        a_slice("length", "51–200", metric="helpful", p_adjusted=0.4, proven=False),
        a_slice("tag", "(other)", p_adjusted=0.71, proven=False),
        a_slice("product", "(none)", n=7, small=True, proven=False, **gone),
    )


def a_slice(by, value, **changes):
    """Return a slice that is proven to be worse."""
    values = {
        "metric": "exact_match",
        "n": 44,
        "baseline": 0.82,
        "candidate": 0.61,
        "delta": -0.21,
        "ci90": (-0.33, -0.09),
        "change": "worse",
        "p_raw": 0.001,
        "p_adjusted": 0.02,
        "proven": True,
        "small": False,
        **changes,
    }
    return SliceComparison(by=by, value=value, **values)


def exemption(sample_id, **changes):
    """Return an entry that holds."""
    values = {
        "metric": None,
        "state": "applied",
        "reason": "two policies fit",
        "until": "2026-12-31",
        "where": ".lm-eval-so/quarantine.yaml:1",
        "scores": {"exact_match": (1.0, 0.0), "helpful": (0.8, None)},
        **changes,
    }
    return Exemption(sample_id=sample_id, **values)
