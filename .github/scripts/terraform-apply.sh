#!/usr/bin/env bash
# Applies the plan that was reviewed, and no other.
#   TF_ROOT=… TF_STATE_BUCKET=… AWS_REGION=… terraform-apply.sh ENVIRONMENT KEY SHA256
set -euo pipefail
environment=$1 key=$2 sha256=$3
here=$(dirname "$0")
plan=$(mktemp)
trap 'rm -f "$plan"' EXIT

aws s3 cp --only-show-errors "s3://$TF_STATE_BUCKET/$key" "$plan"
sha256sum --check --quiet <<<"$sha256  $plan" || { echo '::error::this is not the plan that was reviewed' >&2; exit 1; }
"$here/terraform-init.sh" "$environment"
# Refused by Terraform when the state has changed since the plan was made.
terraform -chdir="$TF_ROOT" apply -input=false -no-color -lock-timeout=5m "$plan"
aws s3 rm --only-show-errors "s3://$TF_STATE_BUCKET/$key"
