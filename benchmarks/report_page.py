"""How large report.html is and how fast it answers in a browser, with very many cases, on this machine.

    python benchmarks/report_page.py                     10,000 cases and 5 metrics, as Markdown on stdout
    python benchmarks/report_page.py --cases 1000 --rounds 1

The cases are Korean, with questions of 9 words, expected answers of 20 and answers of 30; every tenth fails a
metric, 600 got worse. Needs Chromium on the machine. Interactive is the time from the start of the
navigation until the script has drawn the list; a step is the time from a person's choice until the new list
is laid out.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from measured import machine

from lm_eval_so.core.records.enums import MetricKind, ReportCases, ReportFormat
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.render import render

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from comparing import judge
from factories import make_report
from servers.chromium import Browser, browser

WORDS = [
    "배송",
    "환불",
    "반품",
    "교환",
    "쿠폰",
    "포인트",
    "회원",
    "등급",
    "결제",
    "주문",
    "취소",
    "영수증",
    "보증",
    "수리",
    "제주",
    "도서",
    "산간",
    "평일",
    "오후",
    "영업일",
    "기준",
    "접수",
    "확인",
    "안내",
    "가능",
    "불가",
    "신청",
    "마이페이지",
    "고객센터",
    "택배",
    "포장",
    "상자",
]
METRICS = 5
WORSE = 600
STEPS = """(async () => {
  const took = {};
  const time = async (name, act) => {
    await new Promise((done) => setTimeout(done));
    const start = performance.now();
    act();
    document.body.offsetHeight;
    took[name] = Math.max(took[name] ?? 0, performance.now() - start);
  };
  const field = document.getElementById("query");
  field.focus();
  for (const text of ["환", "환불", "환불 반", "zzzz", ""]) {
    await time("search", () => { field.value = text; field.dispatchEvent(new Event("input")); });
  }
  for (const button of document.querySelectorAll("#views button")) await time("filter", () => button.click());
  document.querySelector("[data-view=all]").click();
  for (const [id, name] of [["tag", "filter"], ["metric", "filter"], ["sort", "sort"]]) {
    const select = document.getElementById(id);
    const choose = (place) => { select.selectedIndex = place; select.dispatchEvent(new Event("change")); };
    await time(name, () => choose(2));
    choose(0);
  }
  await time("open", () => document.querySelector("#list button").click());
  return took;
})()"""


def made(n: int) -> tuple[Any, Any]:
    """Return a report of n cases, and its comparison with a baseline."""
    rng = Random(7)

    def text(words: int) -> str:
        return f"{' '.join(rng.choices(WORDS, k=words))}입니다."

    questions, expected = [text(9) for _ in range(n)], [text(20) for _ in range(n)]
    answers = [text(30) for _ in range(n)]
    scores = {f"metric_{k}": [float(rng.random() < 0.9) for _ in range(n)] for k in range(METRICS)}
    before = {
        key: [1.0 if i < WORSE * n / 10_000 else v for i, v in enumerate(column)]
        for key, column in scores.items()
    }
    shared = {
        "kinds": dict.fromkeys(scores, MetricKind.BINARY),
        "inputs": questions,
        "expected": expected,
        "tags": [(rng.choice(WORDS),) for _ in range(n)],
        "languages": ["ko"] * n,
    }
    report = make_report(scores, answers=answers, **shared)
    baseline = make_report(before, answers=[text(30) for _ in range(n)], **shared)
    failed = tuple(
        name for i, name in enumerate(report.samples.ids) if any(not c[i] for c in scores.values())
    )
    report = replace(report, failed_ids=failed)
    return report, judge(baseline, report)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    report, comparison = made(given.cases)
    print(f"# The report page\n\n{machine()}\n")
    print(
        f"{given.cases:,} cases, {METRICS} metrics; each step at its slowest, in the fastest of {given.rounds} loads.\n"
    )
    print(
        "| report.cases | held | MB | made in s | interactive ms | filter ms | search ms | sort ms | open ms |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        browser(Path(name)) as chromium,
    ):
        for cases in ReportCases:
            start = time.process_time()
            text = render(report, comparison, format=ReportFormat.HTML, style=Style(cases=cases))
            took = time.process_time() - start
            file = Path(name) / "report.html"
            file.write_text(text, "utf-8")
            rounds = [_round(chromium, file) for _ in range(given.rounds)]
            shown = [f"{min(each[key] for each in rounds):,.0f}" for key in rounds[0]]
            size = f"{file.stat().st_size / 1e6:.2f} | {took:.2f}"
            print(f"| {cases} | {shown[0]} | {size} | {' | '.join(shown[1:])} |", flush=True)


def _round(chromium: Browser, file: Path) -> dict[str, float]:
    """Load the page anew, and return its cases and the milliseconds of each step."""
    chromium.look(1280)
    chromium.ask("Emulation.setFocusEmulationEnabled", enabled=True)
    chromium.open(file)
    held = chromium.run("JSON.parse(document.getElementById('data').textContent).id.length")
    ready = chromium.run("performance.getEntriesByType('navigation')[0].domInteractive")
    steps = chromium.run(STEPS)
    order = ("filter", "search", "sort", "open")
    return {"held": held, "interactive": ready, **{key: steps[key] for key in order}}


if __name__ == "__main__":
    main()
