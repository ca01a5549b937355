#!/usr/bin/env bash
# Keeps a plan beside the state until it is applied: it holds what the state holds, so it is not for everyone who can read a
# workflow's artifacts.
#   TF_STATE_BUCKET=… keep-plan.sh ENVIRONMENT PLAN_FILE
set -euo pipefail
key=plans/$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT/$1.tfplan
aws s3 cp --only-show-errors "$2" "s3://$TF_STATE_BUCKET/$key"
{
  echo "key=$key"
  echo "sha256=$(sha256sum "$2" | cut -d' ' -f1)"
} >>"${GITHUB_OUTPUT:-/dev/stdout}"
