# Logs, alarms and images.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

watch_ask_1() {
  ask logs logs describe-log-groups --log-group-name-prefix "/$application/$environment/" \
    --query 'logGroups[].[logGroupName, to_string(retentionInDays), kmsKeyId]'
  ask logs-network logs describe-log-groups --log-group-name-prefix "/$prefix/" \
    --query 'logGroups[].[logGroupName, to_string(retentionInDays), kmsKeyId]'
  ask alarms cloudwatch describe-alarms --alarm-name-prefix "$prefix-" \
    --query '[MetricAlarms[], CompositeAlarms[]][].[AlarmName, to_string(ActionsEnabled), to_string(length(AlarmActions))]'
  ask repository ecr describe-repositories --repository-names "$prefix" \
    --query 'repositories[].[imageTagMutability, to_string(imageScanningConfiguration.scanOnPush)]'
}

watch_ask_2() {
  ask topic sns list-subscriptions-by-topic --topic-arn "arn:$partition:sns:$region:$account:$prefix-alarms" --query 'to_string(length(Subscriptions))'
}

watch_judge() {
  local group
  if promise logs-there logs task; then
    group=$(row task log)
    [ -n "$(row logs "$group")" ] || wrong "the task writes to $group, which is not there"
    verdict "$group" 'the log group to which the task writes' 'apply infra/ again: a task without its log group does not start'
  fi
  if promise logs-retention logs logs-network; then
    wrongs=$({ said logs; said logs-network; } | awk -F '\t' '$2 == "null" || $2 == "None" { printf "%s%s keeps for ever", n++ ? "; " : "", $1 }')
    verdict "$({ said logs; said logs-network; } | awk -F '\t' '{ printf "%s%s %s days", n++ ? ", " : "", $1, $2 }')" 'a time after which lines are deleted' 'apply infra/ again'
  fi
  if promise logs-encrypted logs logs-network key-logs; then
    wrongs=$({ said logs; said logs-network; } | awk -F '\t' -v key="$(column key-logs 6)" '$3 != key { printf "%s%s by %s", n++ ? "; " : "", $1, $3 }')
    verdict "by alias/$prefix-logs" "by alias/$prefix-logs" 'apply infra/ again; what was written before stays as it is'
  fi
  if promise alarms-there alarms; then
    for group in unhealthy-targets no-healthy-target 5xx failed-requests feed-age refused-secrets trust-changed denied-admissions \
      admission-held audit-checkpoints audit-bucket truststore crl-age \
      certificate-expires-in-30-days certificate-expires-in-14-days certificate-expires-in-7-days \
      "read-throttles-$(table_name principals)" "write-throttles-$(table_name principals)" \
      "read-throttles-$(table_name certificates)" "write-throttles-$(table_name certificates)" \
      "read-throttles-$(table_name control)" "write-throttles-$(table_name control)"; do
      [ -n "$(row alarms "$prefix-$group")" ] || wrong "$group is not there"
    done
    verdict "$(said alarms | grep -c .) alarms" 'those of infra/modules/alarms' 'apply infra/ again'
  fi
  if promise alarms-tell-somebody alarms topic; then
    wrongs=$(said alarms | awk -F '\t' '$2 != "true" || $3 == 0 { printf "%s%s is silent", n++ ? "; " : "", $1 }')
    [ "$(said topic)" != 0 ] || wrong 'nobody has subscribed to the topic'
    verdict "every alarm publishes; $(said topic) subscriptions" 'every alarm publishes to a topic that somebody has subscribed to' \
      "write alarm_email into your tfvars, or subscribe to the topic $prefix-alarms"
  fi
  if promise image-repository-immutable repository; then
    equal "$(said repository | tr '\t' ' ')" 'IMMUTABLE true' 'apply infra/ again: a tag must name what was tested, and be scanned'
  fi
}
