#!/usr/bin/env bash
# Makes baselines/support-qa.json anew, of the answers in answers/main.jsonl. It asks each five times:
# against one answer alone, no case is ever proven to have broken. Run run_quickstart.sh once before.
set -euo pipefail
cd "$(dirname "$0")"
PATH="$PWD/.venv/bin:$PATH"
settings=(
  --set "backend={name: scripted, label: recorded_main, options: {answers: answers/main.jsonl}}"
  --set "system=You are the support agent of Example Shop. Be brief and polite."
  --set run.repeats=5
)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lm-eval-so run --out "$work/run" "${settings[@]}"
lm-eval-so evaluate --run "$work/run" --out "$work" --format json "${settings[@]}"
mkdir -p baselines
cp "$work/report.json" baselines/support-qa.json
