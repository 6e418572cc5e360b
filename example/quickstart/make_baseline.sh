#!/usr/bin/env bash
# Makes baselines/support-qa.json anew: the same small model, under the system prompt of
# baseline_prompt.txt, which has the shop's facts. Run run_quickstart.sh once before.
set -euo pipefail
cd "$(dirname "$0")"
PATH="$PWD/.venv/bin:$PATH"
prompt=$(python -c 'import json, pathlib; print(json.dumps(pathlib.Path("baseline_prompt.txt").read_text().strip()))')
settings=(--set "system=$prompt" --set backend.label=baseline)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lm-eval-so run --out "$work/run" "${settings[@]}"
lm-eval-so evaluate --run "$work/run" --out "$work" --format json "${settings[@]}"
mkdir -p baselines
cp "$work/report.json" baselines/support-qa.json
