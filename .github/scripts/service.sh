# shellcheck shell=bash
# What deploying and going back have in common. Expects ECS_CLUSTER and ECS_SERVICE.

service() { aws ecs describe-services --cluster "$ECS_CLUSTER" --services "$ECS_SERVICE" --output json | jq --exit-status '.services[0]'; }

# Has the service run a task definition.
run_task_definition() {
  aws ecs update-service --cluster "$ECS_CLUSTER" --service "$ECS_SERVICE" --task-definition "$1" --output json >/dev/null
}

# Waits until the service runs a task definition and nothing else. `aws ecs wait services-stable` is content as well when the
# circuit breaker has brought the former one back.
wait_for_task_definition() {
  local wanted=$1 until=$((SECONDS + ${DEADLINE_SECONDS:-900})) state='' line
  while ((SECONDS < until)); do
    line=$(service | jq --raw-output '
      (.deployments[] | select(.status == "PRIMARY")) as $now
      | "\($now.taskDefinition) \($now.rolloutState // "COMPLETED") \($now.runningCount)/\(.desiredCount) \(.deployments | length)"')
    [[ $line == "$state" ]] || echo "$line"
    state=$line
    case $line in
      "$wanted COMPLETED "*' 1') return 0 ;;
      "$wanted FAILED "*) break ;;
      "$wanted "*) ;;
      *) break ;; # the circuit breaker has gone back
    esac
    sleep "${POLL_SECONDS:-10}"
  done
  echo "the service does not run $wanted" >&2
  service | jq --raw-output '.events[:5][].message' >&2
  return 1
}
