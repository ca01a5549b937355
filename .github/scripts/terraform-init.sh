#!/usr/bin/env bash
#   TF_ROOT=… TF_STATE_BUCKET=… AWS_REGION=… terraform-init.sh ENVIRONMENT
set -euo pipefail
terraform -chdir="$TF_ROOT" init -input=false -no-color -reconfigure -backend-config="bucket=$TF_STATE_BUCKET" \
  -backend-config="region=$AWS_REGION" -backend-config="key=$1/airunner.tfstate"
