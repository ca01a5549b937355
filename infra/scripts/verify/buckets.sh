# Buckets: what infra/modules/bucket deploys, where the task is told of one. What is in them is not read.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

buckets_for='truststore audit'

buckets_ask_3() {
  local purpose name
  for purpose in $buckets_for; do
    name=$(option "--$purpose-bucket")
    [ -n "$name" ] || continue
    ask "bucket-versions-$purpose" s3api get-bucket-versioning --bucket "$name" --query Status
    ask "bucket-public-$purpose" s3api get-public-access-block --bucket "$name" --query 'PublicAccessBlockConfiguration.
      [to_string(BlockPublicAcls), to_string(BlockPublicPolicy), to_string(IgnorePublicAcls), to_string(RestrictPublicBuckets)]'
    [ "$purpose" != audit ] || ask bucket-lock s3api get-object-lock-configuration --bucket "$name" \
      --query 'ObjectLockConfiguration.[ObjectLockEnabled, Rule.DefaultRetention.Mode, to_string(Rule.DefaultRetention.Days)]'
  done
}

buckets_judge() {
  local purpose name field
  for purpose in $buckets_for; do
    name=$(option "--$purpose-bucket")
    [ -n "$name" ] || continue
    promise "$purpose-bucket-private" "bucket-versions-$purpose" "bucket-public-$purpose" || continue
    [ "$(said "bucket-versions-$purpose")" = Enabled ] || wrong "$name keeps no versions"
    for field in 1 2 3 4; do
      [ "$(column "bucket-public-$purpose" "$field" | tr T t)" = true ] || wrong "$name can be made public"
    done
    verdict "$name" 'private, every version kept' 'apply infra/ again, and find in CloudTrail who changed it'
  done
  [ -n "$(option --audit-bucket)" ] || return 0
  if promise audit-bucket-locked bucket-lock; then
    [ "$(column bucket-lock 1)" = Enabled ] || wrong 'it has no object lock'
    case $(column bucket-lock 2) in GOVERNANCE | COMPLIANCE) ;; *) wrong 'what is put there is not locked' ;; esac
    verdict "$(column bucket-lock 2), $(column bucket-lock 3) days" 'object lock with a default retention' \
      'apply infra/ again: checkpoints that were put there meanwhile can be deleted'
  fi
}
