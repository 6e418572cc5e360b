"""Make docs/cli.md of the help texts under tests/golden/terminal.

Run `.venv/bin/python scripts/docs_cli.py` to write the page; tests/house/test_docs.py compares it.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cli.md"
HELP = ROOT / "tests" / "golden" / "terminal"

HEAD = """\
---
description: Every command and option of lm-eval-so, what goes to stdout and stderr, and the exit codes.
---

# Commands

Each stage is a command, and stages exchange nothing but files; `ci` runs them all. This page is made
from the program's own help by `scripts/docs_cli.py`.

| command | reads | writes |
| --- | --- | --- |
| `init` | documents, tests, another tool's configuration, the chatbot's address | the config, lines of `.gitignore`; with `--workflow` `.github/workflows/lm-eval-so.yml` |
| `generate` | sources | the dataset: `test.jsonl`, `rejected.jsonl`, `metadata.json` |
| `dataset` | datasets | stdout |
| `run` | dataset | `RUN/run_results.jsonl`, `RUN/run.json` |
| `merge` | shards of a run | `RUN/run_results.jsonl`, `RUN/run.json` |
| `evaluate` | dataset, runs | `REPORTS/report.json`, `report.md`, `report.html`; `junit.xml`, `scores.csv` |
| `import` | results of promptfoo, DeepEval, Inspect, Ragas | `REPORTS/report.json`, `report.md`, `report.html`; `junit.xml`, `scores.csv` |
| `compare` | two reports | `REPORTS/comparison.json`, `comparison.md`, `comparison.html` |
| `baseline` | report, comparison | the file at `baseline.path` |
| `report` | report, comparison | stdout, or the file that `-o` names |
| `history` | past reports, or git | stdout, or the file that `-o` names |
| `comment` | comparison, report | a comment on a pull request |
| `ci` | config, GitHub's environment | all of them |
| `forecast` | dataset, reports and runs at hand | stdout, `.lm-eval-so/forecast/` |
| `doctor`, `cache`, `plugins`, `schema` | config, cache | stdout |

```sh
lm-eval-so run --set run.concurrency=4 --set 'backend.params.temperature=0.2'
lm-eval-so evaluate --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["metrics"].keys())'
lm-eval-so compare reports/report.json --baseline baselines/support-qa.json --language ko
lm-eval-so report reports/report.json --comparison reports/comparison.json -o reports/both.md
lm-eval-so history reports/report.json
lm-eval-so comment reports/comparison.json --repo octo/shop --pr 7 --dry-run
lm-eval-so ci --dry-run
```

## What goes where

- stdout carries the result: the paths that were written, a line each, or with `--json` one JSON object.
- stderr carries texts for people: progress, warnings, errors. Outside a terminal it is plain lines; in GitHub's log,
  groups and annotations. `-q` leaves warnings and errors.
- An error says what is wrong, where (file, line, key) and what to do. All problems are listed at once, and nothing
  was done. A bug prints one line; `-v` adds the traceback.
- With `--dry-run` stdout says what would be done, as text; with `--json` as one JSON object.
- A file is written under another name and renamed at the end. Only the run log is appended to, row by row.
- Ctrl-C or SIGTERM once: nothing new is asked, requests in flight may finish (`run.drain_s`), exit 130. Twice: at
  once. The same command resumes.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | done; verdicts pass, improved, skipped, and inconclusive or no baseline unless the gate says fail |
| 1 | the check that was asked for failed: a regression or a missed threshold, or `generate --check` on a stale dataset |
| 2 | wrong command line, config, source, dataset or record file |
| 3 | could not measure: nothing usable, too many errors, quota or budget used up, the endpoint only refuses; incomparable; inconclusive or no baseline where the gate says fail |
| 4 | the backend could not be reached, refused the credentials, does not know the model, or is gone |
| 5 | a comment could not be posted, or a baseline not be updated, where that was demanded |
| 70 | a bug in lm-eval-so |
| 130 | interrupted |
"""

TAIL = """
Next: [the keys of the config](config.md).
"""


def page() -> str:
    """Return the text of the page."""
    root = (HELP / "help.txt").read_text(encoding="utf-8")
    names = re.findall(r"^  ([a-z]+)  ", root.partition("Commands:")[2], re.MULTILINE)
    parts = [HEAD, _section("lm-eval-so", root)]
    for name in names:
        text = (HELP / f"help-{name}.txt").read_text(encoding="utf-8")
        parts.append(_section(f"lm-eval-so {name}", text))
    return "".join([*parts, TAIL])


def _section(title: str, text: str) -> str:
    return f"\n## {title}\n\n```text\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
