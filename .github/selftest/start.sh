#!/usr/bin/env bash
# Starts mock.py and tells its address.
#   bash start.sh [HOST]    default: the runner's end of the network of containers, where the action sees it
set -euo pipefail
cd "$(dirname "$0")"
host=${1:-$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}' 2>/dev/null || echo 127.0.0.1)}
nohup python3 mock.py "$host" 8123 >"${RUNNER_TEMP:-/tmp}/mock.log" 2>&1 &
for _ in {1..100}; do
  if (: <"/dev/tcp/$host/8123") 2>/dev/null; then
    echo "url=http://$host:8123" >>"$GITHUB_OUTPUT"
    exit 0
  fi
  sleep 0.1
done
cat "${RUNNER_TEMP:-/tmp}/mock.log" >&2
exit 1
