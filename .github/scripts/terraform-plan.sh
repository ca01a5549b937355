#!/usr/bin/env bash
# Plans one environment, and writes what changes, fit to be shown, as Markdown.
#   TF_ROOT=… TF_STATE_BUCKET=… AWS_REGION=… terraform-plan.sh ENVIRONMENT PLAN_FILE MARKDOWN_FILE
set -euo pipefail
environment=$1 plan=$(realpath -m "$2") markdown=$3
here=$(dirname "$0")

"$here/terraform-init.sh" "$environment"
code=0
# Without the lock: a plan changes nothing, and the role that plans may write nothing. Apply refuses a plan that is out of date.
# Without a refresh: the provider reads server-key decrypted, whatever its resource says, so the role that plans would have to be
# able to decrypt it, and with it everybody who may push a branch.
terraform -chdir="$TF_ROOT" plan -input=false -no-color -lock=false -refresh=false -detailed-exitcode -var-file="$environment.tfvars" \
  -out="$plan" >"$markdown.log" 2>&1 || code=$?
if ((code != 0 && code != 2)); then
  "$here/sanitise-plan.sh" <"$markdown.log" >&2
  exit 1
fi
terraform -chdir="$TF_ROOT" show -json "$plan" >"$markdown.json"
terraform -chdir="$TF_ROOT" show -no-color "$plan" >"$markdown.log"
"$here/plan-markdown.sh" "$environment" "$markdown.json" "$markdown.log" >"$markdown"
rm "$markdown.json" "$markdown.log"
