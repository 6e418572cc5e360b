#!/usr/bin/env bash
# Makes a fresh environment of the pinned packages and of this checkout, and tells its Python as the
# output "python". Everything has a hash, and nothing but this project is built: no other code of a
# package runs while it is installed. -I: a venv.py or pip.py in the user's checkout is never run.
set -euo pipefail
if [ "${RUNNER_OS:-}" = Windows ]; then
  echo "error: lm-eval-so does not run on Windows" >&2
  echo "  fix: let this job run on ubuntu-latest or macos-latest" >&2
  exit 2
fi
root=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
# shellcheck source=../scripts/python.sh
. "$root/scripts/python.sh"
if ! python=$(find_python); then
  echo "  or put actions/setup-python before this step" >&2
  exit 2
fi

environment=$(mktemp -d "$RUNNER_TEMP/lm-eval-so.XXXXXX")
"$python" -I -m venv "$environment"
python=$environment/bin/python
install() { # one run imports a part of it all, so only that is compiled, then
  "$python" -I -m pip install --quiet --disable-pip-version-check --no-compile --no-deps "$@"
}
if ! install --require-hashes --only-binary :all: -r "$root/requirements.lock" -r "$root/requirements-build.lock"; then
  echo "error: the packages of lm-eval-so could not be installed" >&2
  echo "  fix: let the runner reach the package registry, or name a mirror by PIP_INDEX_URL; then run this again" >&2
  exit 2
fi
install --no-index --no-build-isolation "$root"
echo "python=$python" >>"$GITHUB_OUTPUT"
