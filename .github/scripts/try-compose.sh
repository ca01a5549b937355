#!/usr/bin/env bash
# Brings docker/compose.yaml up with a real engine, looks whether the agent is there, and takes everything down again.
set -euo pipefail
compose() { docker compose --file docker/compose.yaml "$@"; }
end() {
  local code=$?
  ((code == 0)) || compose logs --no-color --tail 50
  compose --profile cli down --volumes --timeout 30
  exit "$code"
}
trap end EXIT

# Returns when the agent has been started, which all else comes before.
compose up --build --detach
online() { [[ $(compose run --rm --no-deps cli airunner agent list -o json | jq '[.items[] | select(.presence == "online")] | length') == 1 ]]; }
until online; do
  ((SECONDS < 300)) || { echo 'the agent is not online' >&2; exit 1; }
  sleep 2
done
compose stop server-1
online || sleep 5
online
[[ $(docker inspect --format '{{ .State.ExitCode }}' "$(compose ps --all --quiet server-1)") == 0 ]]
