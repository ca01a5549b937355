#!/usr/bin/env bash
# Writes this job's ID token for an audience to a file of its owner alone.
#   id-token.sh AUDIENCE FILE
set -euo pipefail
umask 077
# By a configuration on stdin: an argument would stand in the process list.
curl --silent --show-error --fail --retry 3 --max-time 20 --config - <<<"header = \"Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN\"
url = \"$ACTIONS_ID_TOKEN_REQUEST_URL&audience=$1\"" | jq --exit-status --join-output .value >"$2"
