#!/usr/bin/env bash
# What the workflow does, on this machine: a repository with main and its baseline, and in it a pull
# request that breaks an answer. Needs lm-eval-so and git. Ends with the exit code of the verdict: 1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
RUNNER_TEMP=$(mktemp -d)
export RUNNER_TEMP
finish() { cat "$RUNNER_TEMP"/*.pid | xargs kill || true; }
trap 'finish; rm -rf "$RUNNER_TEMP"' EXIT

mkdir "$RUNNER_TEMP/repo"
cd "$RUNNER_TEMP/repo"
cp -R "$here"/{bot.py,dataset,lm-eval-so.yaml,start.sh} .
git init --quiet --initial-branch main
git config user.name try && git config user.email try@example.com
commit() { git add --all && git commit --quiet --message "$1"; }
printf '%s\n' /runs/ /reports/ /.lm-eval-so/ >.gitignore
commit "the chatbot"

echo "== main: its baseline"
bash start.sh HEAD
lm-eval-so ci --quiet
mkdir baselines && cp reports/report.json baselines/shop-bot.json
commit "its baseline"
git update-ref refs/remotes/origin/main HEAD
git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/main
finish
git worktree remove "$RUNNER_TEMP/main"

echo "== a pull request: returns within 14 days instead of 30"
git checkout --quiet -b topic
sed -i.bak 's/30 days of delivery/14 days of delivery/' bot.py && rm bot.py.bak
commit "14 days"
bash start.sh main
lm-eval-so ci
