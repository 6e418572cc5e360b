#!/usr/bin/env bash
# A release, step by step: .github/workflows/release.yml runs each step in a job with the rights that it needs.
# docs/releasing.md describes the whole.
#   bash scripts/release.sh --dry-run VERSION [DIGEST]   all steps here; what would go outside is printed instead
#   bash scripts/release.sh STEP VERSION                 one of plan, image, name, tag and move, in that order
# Between the steps, in the environment and in GITHUB_OUTPUT: BASE, the digest of the base image; AMD64 and ARM64,
# the digests of the two builds; DIGEST, that of the image made of both. Needs the packages of requirements-dev.lock
# for plan, docker and TOKEN for all that touches the image, gh and GH_TOKEN for plan, tag and move.
set -euo pipefail
cd "$(dirname "$0")/.."

IMAGE=ghcr.io/mackim-3768/lm-eval-so
REPOSITORY=https://github.com/mackim-3768/lm-eval-so
PYTHON_IMAGE=python:3.13-slim
NONE=${3:-sha256:0000000000000000000000000000000000000000000000000000000000000000} # stands for digests in a dry run

step=${1:-} version=${2:-} dry=""
case $step in
  --dry-run) dry=1 ;;
  plan | image | name | tag | move) ;;
  *)
    sed -n 's/^#   //p' "$0" >&2
    exit 2
    ;;
esac
. scripts/python.sh
python=.venv/bin/python
[ -x "$python" ] || python=$(find_python)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
files=$work/release # what the jobs hand on
[ -n "$dry" ] || files=release

# Runs a command that changes something outside this machine; the dry run prints it.
outside() {
  if [ -n "$dry" ]; then
    echo "  would run: $*"
  else
    "$@"
  fi
}
# Tells a later job a value.
tell() { # NAME VALUE
  echo "$1=$2"
  if [ -z "$dry" ] && [ -n "${GITHUB_OUTPUT:-}" ]; then echo "$1=$2" >>"$GITHUB_OUTPUT"; fi
}
login() { outside docker login ghcr.io --username "${GITHUB_ACTOR:-you}" --password-stdin <<<"${TOKEN:-}"; }
digest_of() { docker buildx imagetools inspect "$1" --format '{{.Manifest.Digest}}'; }

# HEAD with the version and the changelog's section: the same commit in every job.
make_source() {
  source_commit=$("$python" scripts/release.py source "$version" "$work/source")
  created=$(TZ=UTC git -C "$work/source" log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
  SOURCE_DATE_EPOCH=$(git -C "$work/source" log -1 --format=%ct)
  export SOURCE_DATE_EPOCH
}

plan() {
  "$python" scripts/release.py files "$version" "$work/source" "$files"
  if [ -n "$dry" ]; then
    BASE=$NONE
    echo "  would ask whether ci has passed on $(git rev-parse HEAD)"
    echo "  would ask for the digests of $PYTHON_IMAGE and, if an earlier run made it, of $IMAGE:$version"
    return
  fi
  passed=$(gh run list --workflow ci.yml --commit "$(git rev-parse HEAD)" --status success --json databaseId --jq length)
  [ "$passed" != 0 ] || fail "ci has not passed on this commit"
  login
  BASE=$(digest_of "$PYTHON_IMAGE")
  tell base "$BASE"
  local digest
  digest=$(earlier_digest)
  [ -z "$digest" ] || tell digest "$digest"
}

# Prints the digest of the image that an earlier run of this release made: its tag's, or one made of the same commit.
earlier_digest() {
  local made_of
  if git rev-parse --quiet --verify "v$version" >/dev/null; then
    git show "v$version:action.yml" | sed -n 's/^  image: .*@//p'
    return
  fi
  made_of=$(docker buildx imagetools inspect "$IMAGE:$version" --format '{{json .Image}}' 2>"$work/errors" |
    grep -o '"org.opencontainers.image.revision": *"[^"]*"' | sort -u | sed 's/.*: *"//; s/"$//') || made_of=""
  if [ "$made_of" = "$source_commit" ]; then digest_of "$IMAGE:$version"; fi
}

# Builds and pushes this machine's platform under no name but its digest, and tries what was pushed.
image() {
  login
  local architecture=${PLATFORM:-amd64} digest=${DIGEST:-} build
  if [ -z "$digest" ]; then
    outside docker buildx create --name release --driver docker-container --use
    build=(docker buildx build --platform "linux/$architecture" --provenance mode=max --sbom true
      --build-context "$PYTHON_IMAGE=docker-image://docker.io/library/$PYTHON_IMAGE@$BASE"
      --build-arg "VERSION=$version" --build-arg "REVISION=$source_commit" --build-arg "CREATED=$created"
      --build-arg "BASE_DIGEST=$BASE" --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH"
      --output "type=image,name=$IMAGE,push-by-digest=true,name-canonical=true,push=true,rewrite-timestamp=true"
      --metadata-file "$work/metadata.json" "$work/source")
    outside "${build[@]}"
    digest=$NONE
    [ -n "$dry" ] || digest=$(sed -n 's/.*"containerimage.digest": *"\([^"]*\)".*/\1/p' "$work/metadata.json")
    tell "$architecture" "$digest"
  fi
  outside docker pull --quiet "$IMAGE@$digest"
  outside docker logout ghcr.io
  try_image "$IMAGE@$digest"
}

# Runs an image as a user without rights, without network, on a root that nobody can write to.
try_image() { # IMAGE
  local told code=0 run=(docker run --rm --init --network none --read-only --user "$(id -u):$(id -g)")
  if [ -n "$dry" ]; then
    echo "  would run: ${run[*]} $1 --version, and ci on the quickstart"
    return
  fi
  told=$("${run[@]}" "$1" --version)
  [ "$told" = "lm-eval-so $version" ] || fail "the image says '$told'"
  cp -R example/quickstart "$work/quickstart"
  "${run[@]}" -v "$work/quickstart:/src" -w /src "$1" ci || code=$?
  # the recorded answers of the quickstart are a regression
  [ "$code" = 1 ] || fail "ci on the quickstart ended with $code, not 1"
  [ -s "$work/quickstart/reports/report.html" ] || fail "ci on the quickstart wrote no report"
}
fail() {
  echo "error: $1" >&2
  exit 3
}

# Gives the two builds one name, that of the version.
name() {
  login
  if [ -z "${DIGEST:-}" ]; then
    outside docker buildx imagetools create --tag "$IMAGE:$version" "$IMAGE@${AMD64:-$NONE}" "$IMAGE@${ARM64:-$NONE}"
    DIGEST=$NONE
    [ -n "$dry" ] || DIGEST=$(digest_of "$IMAGE:$version")
  fi
  tell digest "$DIGEST"
}

push() { outside git -c credential.helper= -c "credential.helper=!gh auth git-credential" -C "$1" push "${@:2}"; }

# From here on the version exists: its tag, and a branch that brings version, changelog and pins back to main.
tag() {
  local draft refs options=(--verify-tag --title "$version" --notes-file "$files/notes.md")
  released=$("$python" scripts/release.py point "$version" "$work/source" "$DIGEST")
  refs=("$released:refs/tags/v$version")
  back=""
  case $version in
    *rc*) options+=(--prerelease) ;;
    *)
      back=$("$python" scripts/release.py back "$version" "$work/source" "$released")
      refs+=("$back:refs/heads/release/$version")
      ;;
  esac
  push "$work/source" --atomic "$REPOSITORY" "${refs[@]}"
  draft=none
  [ -n "$dry" ] || draft=$(gh release view "v$version" --json isDraft --jq .isDraft 2>"$work/errors") || draft=none
  [ "$draft" != false ] || return 0 # published before this run
  [ "$draft" != true ] || gh release delete "v$version" --yes
  outside gh release create "v$version" "${options[@]}" "$files"/dist/*
}

# Moves v1 and v1.2 to the release, and the image's 1, 1.2 and latest; a candidate moves none.
move() {
  local git_names image_names name refs=() tags=()
  { read -r git_names && read -r image_names; } < <("$python" scripts/release.py names "$version") || true
  for name in $git_names; do refs+=("+refs/tags/v$version:refs/tags/$name"); done
  for name in $image_names; do tags+=(--tag "$IMAGE:$name"); done
  if [ ${#refs[@]} = 0 ]; then
    echo "a candidate: nothing moves"
    return
  fi
  push . "$REPOSITORY" "${refs[@]}"
  login
  outside docker buildx imagetools create "${tags[@]}" "$IMAGE@$DIGEST"
}

make_source
if [ -z "$dry" ]; then
  "$step"
  exit
fi
for step in plan image name tag; do
  echo "== $step"
  "$step"
done
echo "== publish"
echo "  would upload to the package index: $(cd "$files/dist" && echo *)"
echo "== move"
move
echo "== the commits"
for commit in "$source_commit" "$released" $back; do
  git -C "$work/source" show --stat --format='%h %s' "$commit"
done
git -C "$work/source" diff "$source_commit" "$released" -- action.yml | grep '^[-+] '
