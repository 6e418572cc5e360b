#!/usr/bin/env bash
# The whole pipeline on a fresh clone: environment, dataset, answers, scores, verdict.
# Needs only Python 3.11 or newer. Without a key it takes recorded answers; with --live it asks a tiny
# model in this process; with OPENAI_API_KEY (and OPENAI_BASE_URL) it asks that endpoint.
# Ends with 0 whatever the verdict.
set -uo pipefail
cd "$(dirname "$0")" || exit 2
root=../..

fail() { # WHAT FIX
  printf '\nquickstart: %s failed\n  fix: %s\n' "$1" "$2" >&2
  exit 1
}
step() { printf '\n== %s\n' "$1"; }

case "$#:${1:-}" in
  0:) if [ -n "${OPENAI_API_KEY:-}" ]; then way=endpoint; else way=recorded; fi ;;
  1:--live) way=live ;;
  *)
    echo "usage: bash example/quickstart/run_quickstart.sh [--live]" >&2
    exit 2
    ;;
esac
locks=("$root/requirements.lock")
# gate.broken=off: a model that was never told the shop's facts need not be asked again for each it has wrong
case $way in
  recorded)
    label=recorded_proposed
    settings=(--set "backend.label=$label")
    ;;
  live)
    locks=("$root/requirements-local.lock" "$root/requirements-model.lock")
    model=SmolLM2-135M-Instruct
    label=local_$model
    settings=(--set "backend={name: local, label: $label, params: {model: $model, temperature: 0, max_tokens: 64}}"
      --set run.concurrency=1 --set gate.broken=off)
    ;;
  endpoint)
    model=${QUICKSTART_MODEL:-gpt-4.1-mini}
    label=openai_gpt4-mini
    settings=(--set "backend={name: openai, label: $label, params: {model: $model, temperature: 0}}"
      --set run.concurrency=8 --set gate.broken=off)
    ;;
esac

step "1/3 install"
# shellcheck source=../../scripts/python.sh
. "$root/scripts/python.sh"
python=$(find_python) || fail "finding Python" "install Python 3.11 or newer"

install() { # WHAT ARGUMENTS…; a line tells each package as it comes
  local what=$1 line name='' count=0 before='' after=$'\n'
  shift
  if [ -t 1 ]; then before=$'\r\033[K' after=''; fi
  if ! .venv/bin/python -u -m pip install --disable-pip-version-check --progress-bar off --no-deps "$@" 2>&1 |
    while IFS= read -r line; do
      case $line in
        Collecting\ *)
          count=$((count + 1))
          name=${line#Collecting }
          name=${name%% *}
          printf '%s  %d %s%s' "$before" "$count" "$name" "$after"
          ;;
        *Downloading*\([0-9][0-9]*MB\)*) printf '%s  %d %s (%s%s' "$before" "$count" "$name" "${line##*\(}" "$after" ;;
        Obtaining\ *) printf '%s  lm-eval-so of this clone%s' "$before" "$after" ;;
        Installing\ *) [ "$count" = 0 ] || printf '%s  packages: %d, writing them to .venv%s' "$before" "$count" "$after" ;;
        ERROR:*) printf '\n%s\n' "$line" >&2 ;;
      esac
    done; then
    fail "installing $what" "check that the package registry is reachable, then run this again"
  fi
  if [ -t 1 ]; then echo; fi
}

stamp=$("$python" "$root/scripts/stamp.py" "$root/pyproject.toml" "${locks[@]}")
if ! grep -qsx "$stamp" .venv/stamps; then
  [ -x .venv/bin/python ] || "$python" -m venv .venv || fail "making .venv" "install Python's module venv"
  for lock in "${locks[@]}"; do
    install "$(basename "$lock")" --require-hashes -r "$lock"
  done
  install lm-eval-so --editable "$root"
  echo "$stamp" >>.venv/stamps
fi
PATH="$PWD/.venv/bin:$PATH"

step "2/3 generate: a FAQ, a question set and two documents to 30 tests"
lm-eval-so generate >/dev/null || fail "generate" "look at the message above; sources and mapping stand in example/quickstart/lm-eval-so.yaml"

step "3/3 ci: answers to 30 questions, their scores, and the verdict against the baseline"
case $way in
  recorded)
    echo "The answers are recorded (example/quickstart/answers): a polite version of a shop's bot is the"
    echo "baseline, and a casual one is proposed. No model is asked; a question asked again gets the same answer."
    ;;
  live) echo "It takes about a minute." ;;
esac
# The first screen of the verdict, on stderr, is the result. In a job of GitHub's, too, this is a try:
# it judges by the baseline here.
{ GITHUB_ACTIONS=false lm-eval-so ci "${settings[@]}" >/dev/null; } 2>&1
code=$?
[ $code -le 1 ] || [ $code -eq 3 ] || fail "ci" "look at the message above; run this again to go on where it stopped"

cat <<EOF
In a pull request this verdict would exit $code. Look at
  example/quickstart/reports/report.html      verdict, figures, every case: open it in a browser
  example/quickstart/reports/report.md        the same as Markdown, as a pull request shows it
  example/quickstart/reports/report.json      the same for programs; could be the next baseline
  example/quickstart/runs/$label/run_results.jsonl
  example/quickstart/dataset/toy_support_qa_v1/test.jsonl
  example/quickstart/dataset/toy_support_qa_v1/review.html   tests that nobody has reviewed, with their evidence
EOF
case $way in
  recorded)
    cat <<EOF
No model gave these answers: they are recorded. To ask one, run this again
  with --live: a tiny model on this machine, without a key; or
  with OPENAI_API_KEY set (and OPENAI_BASE_URL for another endpoint than OpenAI's): that endpoint.
EOF
    ;;
  live)
    cat <<EOF
The answers come from SmolLM2-135M, a tiny model that shows how the pipeline works and nothing more.
For a real one: export OPENAI_API_KEY (and OPENAI_BASE_URL for another endpoint), or set
backend in example/quickstart/lm-eval-so.yaml, and run this again.
EOF
    ;;
esac
exit 0
