#!/usr/bin/env bash
# Brings an image into service: a new revision of the task definition, then waiting until only that one runs.
#   ECS_CLUSTER=… ECS_SERVICE=… deploy-service.sh REPOSITORY@sha256:DIGEST
# Says `former=` before it changes anything: what roll-back-service.sh goes back to.
set -euo pipefail
image=$1
[[ $image =~ @sha256:[0-9a-f]{64}$ ]] || { echo "not an image by digest: $image" >&2; exit 2; }
# shellcheck source=.github/scripts/service.sh
. "$(dirname "$0")/service.sh"

# 1. What runs now. A failure up to the next step has changed nothing.
now=$(service)
former=$(jq --raw-output .taskDefinition <<<"$now")
desired=$(jq .desiredCount <<<"$now")
echo "former=$former" >>"${GITHUB_OUTPUT:-/dev/stdout}"

# 2. The newest revision of the family, which is Terraform's when it has been applied since; only the image is another.
family=${former##*/}
family=${family%:*}
definition=$(aws ecs describe-task-definition --task-definition "$family" --output json | jq --exit-status \
  --arg image "$image" --arg name "${ECS_CONTAINER:-rpc-server}" '
    .taskDefinition
    | if [.containerDefinitions[] | select(.name == $name)] | length != 1 then error("no container \($name)") else . end
    | (.containerDefinitions[] | select(.name == $name) | .image) = $image
    | del(.taskDefinitionArn, .revision, .status, .requiresAttributes, .compatibilities, .registeredAt, .registeredBy, .deregisteredAt)')
next=$(aws ecs register-task-definition --cli-input-json "$definition" --output json | jq --exit-status --raw-output .taskDefinition.taskDefinitionArn)

# 3. From here on a failure leaves the service between two revisions: roll-back-service.sh ends that.
run_task_definition "$next"
wait_for_task_definition "$next"
if ((desired == 0)); then
  echo "::warning::the service has no tasks yet (airunner bootstrap starts it), so this image has not been started"
fi
echo "started=$((desired > 0))" >>"${GITHUB_OUTPUT:-/dev/stdout}"
