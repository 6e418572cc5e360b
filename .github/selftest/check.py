"""Hold the outputs and files of a step of selftest.yml to what its case has to give.

CASE=equal OUTCOME=success OUTPUTS='{"verdict": …}' python3 check.py
"""

import json
import os
import sys
import urllib.request
from pathlib import Path

EXPECTED = {
    "equal": ("success", "pass", "true"),
    "degraded": ("failure", "regression", "false"),
    "budget": ("failure", "inconclusive", "false"),
}
"""By case: the outcome of the step, and its outputs verdict and passed."""
MARKER = "<!-- lm-eval-so/comment/1 suite=selftest.yml/action/selftest -->"
FILES = ("report.json", "comparison.json", "report.md", "report.html", "run/run_results.jsonl")


def problems(environ: dict[str, str]) -> list[str]:
    """Return what is not as it has to be."""
    outputs = json.loads(environ["OUTPUTS"])
    found = (environ["OUTCOME"], outputs.get("verdict"), outputs.get("passed"))
    told = []
    if found != EXPECTED[environ["CASE"]]:
        told.append(f"outcome, verdict and passed are {found}, not {EXPECTED[environ['CASE']]}")
    report = Path(outputs.get("report_json") or "report_json is empty")
    told += [f"no {report.parent / name}" for name in FILES if not (report.parent / name).is_file()]
    if told:
        return told
    verdict = json.loads((report.parent / "comparison.json").read_text("utf-8"))["verdict"]
    if verdict != outputs["verdict"]:
        told.append(f"the verdict of comparison.json is {verdict}")
    worse = int(outputs["regressed_count"])
    if (worse > 0) != (environ["CASE"] == "degraded"):
        told.append(f"regressed_count is {worse}")
    if outputs["baseline_source"] != "file":
        told.append(f"baseline_source is {outputs['baseline_source']}")
    if environ.get("COMMENTED") == "true":
        bodies = comments(environ["COMMENTS_URL"], environ["GITHUB_TOKEN"])
        ours = sum(body.startswith(MARKER) for body in bodies)
        if ours != 1 or not outputs["comment_url"]:
            told.append(f"there are {ours} comments, and comment_url is {outputs['comment_url']!r}")
    return told


def comments(url: str, token: str) -> list[str]:
    """Return the comments of the pull request, the first 100."""
    asked = urllib.request.Request(f"{url}?per_page=100")
    asked.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return [each["body"] for each in json.load(answer)]


if __name__ == "__main__":
    for problem in (found := problems(dict(os.environ))):
        sys.stderr.write(f"{problem}\n")
    sys.exit(bool(found))
