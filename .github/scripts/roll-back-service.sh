#!/usr/bin/env bash
# Goes back to the task definition that ran before, and waits until it runs again.
#   ECS_CLUSTER=… ECS_SERVICE=… roll-back-service.sh FORMER
set -euo pipefail
former=$1
# shellcheck source=.github/scripts/service.sh
. "$(dirname "$0")/service.sh"

run_task_definition "$former"
wait_for_task_definition "$former"
# The revision that failed stays registered. It does no harm: the next deployment takes all but its image from it.
echo "::notice::back to $former"
