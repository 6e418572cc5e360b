#!/usr/bin/env bash
# Makes the files of this folder anew with the tools themselves; no key is needed, and no model is asked.
# Needs Python 3.11 or newer, npm and a network. The last run: promptfoo 0.123.1 (Node 22.23.3), DeepEval 4.3.1,
# Inspect 0.3.285, Ragas 0.4.3.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=/tmp/x/tools work=/tmp/x/shop # they stand in some of the files, so they are no one's own folders
rm -rf "$work" && mkdir -p "$work" "$tools"

python_with() { # name, packages …
  [ -d "$tools/$1" ] || { python3 -m venv "$tools/$1" && "$tools/$1/bin/pip" install --quiet "${@:2}"; }
}
python_with deepeval deepeval==4.3.1
python_with inspect inspect-ai==0.3.285
python_with ragas ragas==0.4.3 "langchain-community<0.4" rouge-score sacrebleu rapidfuzz
[ -d "$tools/node_modules/promptfoo" ] || npm install --prefix "$tools" --no-audit --no-fund promptfoo@0.123.1 node@22
export PATH="$tools/node_modules/.bin:$PATH" PROMPTFOO_CONFIG_DIR="$work/.promptfoo"
export PROMPTFOO_DISABLE_TELEMETRY=1 PROMPTFOO_DISABLE_UPDATE=1 DEEPEVAL_TELEMETRY_OPT_OUT=YES RAGAS_DO_NOT_TRACK=true

cp -r "$here"/answers.json "$here"/{promptfoo,deepeval,inspect,ragas} "$work"
ln -s "$tools/inspect" "$work/python" # the traceback of an error names it
cd "$work"

(cd promptfoo
 for state in before after; do
   SHOP=$state promptfoo eval --no-cache --no-table --filter-providers '^shop$' -o "$state.json" || [ $? = 100 ]
 done
 SHOP=down promptfoo eval --no-cache --no-table --filter-pattern '^(refund|gift)$' --repeat 2 -o down.json || [ $? = 100 ]
 promptfoo eval --no-cache --no-table -c odd.yaml -o odd.json || [ $? = 100 ])

for state in before after down; do
  SHOP=$state DEEPEVAL_RESULTS_FOLDER=results-$state "$tools/deepeval/bin/python" deepeval/evaluate_shop.py
  mv results-$state/test_run_*.json deepeval/$state.json

  ids=$([ $state != down ] || echo --sample-id hours,gift)
  # shellcheck disable=SC2086 # an option with its value, or nothing
  (cd inspect && SHOP=$state ../python/bin/python -m inspect_ai eval shop.py@shop_answers $ids --log-format eval \
    --log-dir "logs-$state" --no-log-realtime --display plain)
  mv inspect/logs-$state/*.eval inspect/$state.eval

  SHOP=$state "$tools/ragas/bin/python" ragas/score_shop.py
  mv $state.csv $state.jsonl ragas
  mv experiments/$state.csv ragas/experiment-$state.csv
done
(cd inspect && SHOP=before ../python/bin/python -m inspect_ai eval shop.py@shop_choices --log-format json \
  --log-dir logs-choices --no-log-realtime --display plain)
mv inspect/logs-choices/*.json inspect/choices.json

for made in promptfoo/{before,after,down,odd}.json deepeval/{before,after,down}.json inspect/{before,after,down}.eval \
  inspect/choices.json ragas/{before,after,down}.csv ragas/before.jsonl ragas/experiment-{before,after}.csv; do
  cp "$work/$made" "$here/$made"
done
