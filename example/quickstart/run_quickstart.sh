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
case "${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}" in ko*) language=ko ;; *) language=en ;; esac
told() { if [ $language = ko ]; then printf '%s' "$2"; else printf '%s' "$1"; fi; } # ENGLISH KOREAN
step() { printf '\n== %s\n' "$(told "$1" "$2")"; }

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

step "1/3 install" "1/3 설치"
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

step "2/3 generate: a FAQ, a question set and two documents to 30 tests" "2/3 generate: FAQ, 질문 세트, 문서 두 개로 테스트 30개 만들기"
lm-eval-so generate --language $language >/dev/null || fail "generate" "look at the message above; sources and mapping stand in example/quickstart/lm-eval-so.yaml"

step "3/3 ci: answers to 30 questions, their scores, and the verdict against the baseline" "3/3 ci: 질문 30개의 답변과 점수, 베이스라인과 비교한 판정"
case $way in
  recorded)
    told "The answers are recorded (example/quickstart/answers): a polite version of a shop's bot is the
baseline, and a casual one is proposed. No model is asked; a question asked again gets the same answer.
" "저장해 둔 답변을 씁니다(example/quickstart/answers). 존댓말을 쓰는 쇼핑몰 챗봇이 베이스라인이고, 반말을 섞어 쓰는
새 버전을 비교합니다. 모델에 묻지 않으므로 같은 질문에는 같은 답변이 나옵니다.
"
    ;;
  live) told "It takes about a minute.
" "1분쯤 걸립니다.
" ;;
esac
# The first screen of the verdict, on stderr, is the result. In a job of GitHub's, too, this is a try:
# it judges by the baseline here.
{ GITHUB_ACTIONS=false lm-eval-so ci --language $language "${settings[@]}" >/dev/null; } 2>&1
code=$?
[ $code -le 1 ] || [ $code -eq 3 ] || fail "ci" "look at the message above; run this again to go on where it stopped"

out=example/quickstart
told "In a pull request this verdict would exit $code. Look at
  $out/reports/report.html      verdict, figures, every case: open it in a browser
  $out/reports/report.md        the same as Markdown, as a pull request shows it
  $out/reports/report.json      the same for programs; could be the next baseline
  $out/runs/$label/run_results.jsonl
  $out/dataset/toy_support_qa_v1/test.jsonl
  $out/dataset/toy_support_qa_v1/review.html   tests that nobody has reviewed, with their evidence
" "PR이라면 종료 코드 ${code}로 끝납니다. 확인해 보세요.
  $out/reports/report.html      판정, 수치, 모든 케이스: 브라우저에서 여세요
  $out/reports/report.md        같은 내용의 Markdown(PR에 보이는 모습)
  $out/reports/report.json      프로그램용. 다음 베이스라인으로 쓸 수 있습니다
  $out/runs/$label/run_results.jsonl
  $out/dataset/toy_support_qa_v1/test.jsonl
  $out/dataset/toy_support_qa_v1/review.html   아무도 검토하지 않은 테스트와 근거
"
case $way in
  recorded)
    told "No model gave these answers: they are recorded. To ask one, run this again
  with --live: a tiny model on this machine, without a key; or
  with OPENAI_API_KEY set (and OPENAI_BASE_URL for another endpoint than OpenAI's): that endpoint.
" "모델이 답한 것이 아니라 저장해 둔 답변입니다. 모델에 물어보려면 다시 실행하세요.
  --live를 붙이면 키 없이 이 컴퓨터의 아주 작은 모델에 묻습니다.
  OPENAI_API_KEY(다른 엔드포인트라면 OPENAI_BASE_URL도)를 설정하면 그 엔드포인트에 묻습니다.
"
    ;;
  live)
    told "The answers come from SmolLM2-135M, a tiny model that shows how the pipeline works and nothing more.
For a real one: export OPENAI_API_KEY (and OPENAI_BASE_URL for another endpoint), or set
backend in example/quickstart/lm-eval-so.yaml, and run this again.
" "SmolLM2-135M이라는 아주 작은 모델의 답변입니다. 파이프라인이 어떻게 도는지 보여 줄 뿐입니다.
실제 모델을 쓰려면 OPENAI_API_KEY(다른 엔드포인트라면 OPENAI_BASE_URL도)를 설정하거나
example/quickstart/lm-eval-so.yaml의 backend를 바꾸고 다시 실행하세요.
"
    ;;
esac
exit 0
