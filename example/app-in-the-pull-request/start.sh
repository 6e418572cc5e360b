#!/usr/bin/env bash
# Starts main's chatbot on port 8001 and this checkout's on 8000, and waits until both listen.
#   bash start.sh [COMMIT]    COMMIT of main; default: the first parent of a pull request's merge commit
set -euo pipefail
cd "$(dirname "$0")"
temp=${RUNNER_TEMP:-$(mktemp -d)}

serve() { # NAME FOLDER PORT
  (cd "$2" && exec python3 bot.py "$3") >"$temp/$1.log" 2>&1 &
  echo $! >"$temp/$1.pid"
  for _ in {1..100}; do
    kill -0 $! 2>/dev/null || break
    if (: <"/dev/tcp/127.0.0.1/$3") 2>/dev/null; then return; fi
    sleep 0.1
  done
  cat "$temp/$1.log" >&2
  return 1
}

# main's comes first, so that no code of the pull request can take its port
main=$temp/main/$(git rev-parse --show-prefix)
if git worktree add --quiet --detach "$temp/main" "${1:-HEAD^1}" && [ -f "$main/bot.py" ]; then
  serve main "$main" "${MAIN_PORT:-8001}"
else
  echo "main has no chatbot to start: the pull request is held against the baseline alone" >&2
fi
serve bot . "${BOT_PORT:-8000}"
