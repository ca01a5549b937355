# The service and its task: what infra/modules/service deploys. The task definition that is judged is the one the service
# runs, which a pipeline may have made.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

hostname=

service_ask_1() {
  ask service ecs describe-services --cluster "$prefix" --services rpc-server --query "services[?status=='ACTIVE'].[
    taskDefinition, to_string(desiredCount), to_string(runningCount), to_string(deploymentCircuitBreaker || deploymentConfiguration.deploymentCircuitBreaker.[enable, rollback]),
    to_string(enableExecuteCommand), networkConfiguration.awsvpcConfiguration.assignPublicIp, launchType,
    join(' ', networkConfiguration.awsvpcConfiguration.subnets)]"
  ask autoscaling application-autoscaling describe-scalable-targets --service-namespace ecs --resource-ids "service/$prefix/rpc-server" \
    --query "ScalableTargets[?ScalableDimension=='ecs:service:DesiredCount'].[to_string(MinCapacity), to_string(MaxCapacity)]"
}

service_ask_2() {
  if answered service && [ -z "$(said service)" ]; then
    printf 'cluster %s has no service rpc-server' "$prefix" >"$work/service.err"
    : >"$work/service.failed"
  fi
  answered service || return 0
  # Lines of several kinds; the first field says which.
  ask task ecs describe-task-definition --task-definition "$(column service 1)" --query "taskDefinition.[
    [['roles', taskRoleArn, executionRoleArn]],
    [['definition', taskDefinitionArn, networkMode]],
    containerDefinitions[].['container', name, user, to_string(readonlyRootFilesystem), to_string(privileged), to_string(stopTimeout), image],
    containerDefinitions[].['command', join(' ', command)],
    containerDefinitions[].['log', logConfiguration.options.\"awslogs-group\"],
    containerDefinitions[].['dropped', join(' ', linuxParameters.capabilities.drop || \`[]\`)],
    containerDefinitions[].portMappings[].['port', to_string(containerPort)],
    containerDefinitions[].environment[].['environment', name, value],
    containerDefinitions[].secrets[].['secret', name, valueFrom]][]"
}

service_ask_3() {
  local word
  for word in $(row task command); do
    if [ "$hostname" = next ]; then hostname=$word; fi
    if [ "$word" = --hostname ]; then hostname=next; fi
  done
  if answered balancer; then
    # shellcheck disable=SC2046 # subnet ids
    ask balancer-subnets ec2 describe-subnets --subnet-ids $(column balancer 8) \
      --query 'Subnets[].[CidrBlock, Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock]'
  fi
}

# of_task KIND NAME   the value of one environment variable or the origin of one secret.
of_task() {
  said task | awk -F '\t' -v kind="$1" -v name="$2" '$1 == kind && $2 == name { print $3; exit }'
}

# option FLAG   the value of a flag of the task's command.
option() {
  local word take=no
  for word in $(row task command); do
    [ "$take" = no ] || { printf '%s\n' "$word"; return; }
    [ "$word" != "$1" ] || take=yes
  done
}

# seconds TEXT   of a duration such as 15s or 2m.
seconds() {
  case $1 in
    *[!0-9]*m) echo 0 ;;
    *m) echo $((${1%m} * 60)) ;;
    *s) echo "${1%s}" ;;
    *) echo "$1" ;;
  esac
}

judge_command() {
  local start="rpc-server --mtls-listen 0.0.0.0:443 --health-listen 0.0.0.0:8080 --hostname $hostname" command
  command=$(row task command)
  case "$command " in
    "$start "*) ;;
    *) wrong "$command" ;;
  esac
  [ -z "$domain" ] || [ "$hostname" = "$prefix.$domain" ] || wrong "its hostname is $hostname"
  # Every listener of the balancer has a listener of the server behind it.
  if said listeners | cut -f 1 | grep -qx 8444; then [ "$(option --enroll-listen)" = 0.0.0.0:8444 ] || wrong 'no enrolment listener for the balancer'"'"'s 8444'; fi
  if said listeners | cut -f 1 | grep -qx 8081; then [ "$(option --pki-listen)" = 0.0.0.0:8081 ] || wrong 'no PKI listener for the balancer'"'"'s 8081'; fi
  verdict "$command" "$start …${domain:+, for $prefix.$domain}" 'apply infra/ again, then deploy the newest revision'
}

judge_proxy_protocol() {
  local given cidr
  given=$(option --proxy-protocol)
  [ -n "$given" ] || wrong 'the task expects no PROXY header'
  for cidr in $(said balancer-subnets | tr '\t' '\n' | grep -v '^None$'); do
    case ",$given," in
      *,"$cidr",*) ;;
      *) wrong "$cidr is a subnet of the balancer and not believed" ;;
    esac
  done
  for cidr in $(tr ',' ' ' <<<"$given"); do
    said balancer-subnets | tr '\t' '\n' | grep -qxF "$cidr" || wrong "$cidr is believed and no subnet of the balancer"
  done
  verdict "$given" "the balancer's subnets, and no others" 'apply infra/ again, then deploy the newest revision'
}

judge_environment() {
  local name table
  for name in principals:AIRUNNER_PRINCIPAL_TABLE certificates:AIRUNNER_CERT_TABLE control:AIRUNNER_CONTROL_TABLE; do
    table=$(table_name "${name%%:*}")
    [ "$(of_task environment "${name#*:}")" = "$table" ] || wrong "${name#*:} is $(of_task environment "${name#*:}")"
  done
  [ "$(of_task environment AIRUNNER_SSM_PREFIX)" = "/$application/$environment" ] || wrong "AIRUNNER_SSM_PREFIX is $(of_task environment AIRUNNER_SSM_PREFIX)"
  # A name is said, never a value: it may be a key.
  for name in $(said task | awk -F '\t' '$1 == "environment" && ($2 ~ /_KEY$|SECRET|PASSWORD|TOKEN/ || $3 ~ /PRIVATE KEY/) { print $2 }'); do
    wrong "$name stands in the open"
  done
  verdict 'three tables and AIRUNNER_SSM_PREFIX; no key' 'the tables and the prefix of this deployment, and no key' 'apply infra/ again, then deploy the newest revision; a key that stood there is stolen'
}

judge_secrets() {
  local pair origin
  for pair in AIRUNNER_CA_CERT:ca-cert AIRUNNER_SERVER_CERT:server-cert AIRUNNER_SERVER_KEY:server-key AIRUNNER_ISSUER_CERT:issuer-cert; do
    origin=$(of_task secret "${pair%%:*}")
    case $origin in
      *":parameter/$application/$environment/${pair#*:}") ;;
      *) wrong "${pair%%:*} is from ${origin:-nowhere}" ;;
    esac
  done
  if [ -n "$(of_task environment AIRUNNER_ISSUER_KMS_KEY_ID)" ]; then
    case $(of_task environment AIRUNNER_ISSUER_KMS_KEY_ID) in
      "$(column key-issuer 1)" | "$(column key-issuer 6)" | "alias/$prefix-issuer") ;;
      *) wrong "AIRUNNER_ISSUER_KMS_KEY_ID is $(of_task environment AIRUNNER_ISSUER_KMS_KEY_ID)" ;;
    esac
    [ -z "$(of_task secret AIRUNNER_ISSUER_KEY)" ] || wrong 'both issuer keys are given'
  else
    case $(of_task secret AIRUNNER_ISSUER_KEY) in
      *":secret:/$application/$environment/issuer-key"*) ;;
      *) wrong 'no key of the issuer is given' ;;
    esac
  fi
  verdict 'certificates and server-key from the Parameter Store, the issuer by '"$([ -n "$(of_task environment AIRUNNER_ISSUER_KMS_KEY_ID)" ] && echo KMS || echo 'the secret issuer-key')" \
    "each from /$application/$environment" 'apply infra/ again, then deploy the newest revision'
}

# Terraform registers a minimum of 0 while the service stands still; the apply after bootstrap raises it.
judge_autoscaling() {
  # An emulator that does not speak this API answers with a bare number where AWS names the error.
  if grep -q 'error occurred (400)' "$work/autoscaling.err" 2>/dev/null || { answered autoscaling && [ -z "$(said autoscaling)" ]; }; then
    promised=autoscaling-minimum
    report '--' 'there is no autoscaling here' '' ''
    return
  fi
  promise autoscaling-minimum autoscaling service || return 0
  [ "$(column service 2)" = 0 ] || [ "$(column autoscaling 1)" -gt 0 ] 2>/dev/null || wrong "$(column autoscaling 1) while $(column service 2) are wanted"
  verdict "$(column autoscaling 1) to $(column autoscaling 2) tasks" 'a minimum above 0 while the service runs' \
    'apply infra/ again: load alone decides now how many tasks are left'
}

service_judge() {
  local found needed
  if promise service-running service; then
    [ "$(column service 2)" -gt 0 ] 2>/dev/null || wrong 'nothing is wanted: it was never started'
    [ "$(column service 3)" = "$(column service 2)" ] || wrong "$(column service 3) of $(column service 2) tasks run"
    verdict "$(column service 3) of $(column service 2) tasks run" 'as many as are wanted, and at least one' \
      "airunner bootstrap --environment $environment … starts it; aws ecs describe-services says why tasks stop"
  fi
  judge_autoscaling
  if promise targets-healthy targets; then
    found=$(said targets | grep -c '^healthy$')
    [ "$found" -gt 0 ] || wrong "$(said targets | sort | uniq -c | tr -s ' \n' ' ' | grep . || echo 'no target at all')"
    verdict "$found behind port 443" 'at least one healthy target behind port 443' 'read the log of the tasks: rpc-server says why it does not start'
  fi
  if promise circuit-breaker service; then
    equal "$(column service 4)" '[true,true]' 'apply infra/ again: a version that does not start must be taken back'
  fi
  if promise no-shell-into-tasks service; then equal "$(column service 5)" false 'apply infra/ again, then deploy anew'; fi
  if promise tasks-without-public-address service; then equal "$(column service 6)" DISABLED 'apply infra/ again'; fi
  if promise task-command task; then judge_command; fi
  if promise task-proxy-protocol task balancer-subnets; then judge_proxy_protocol; fi
  if promise task-environment task; then judge_environment; fi
  if promise task-secrets task; then judge_secrets; fi
  if promise task-read-only-root task; then equal "$(row task container | cut -f 3)" true 'apply infra/ again, then deploy the newest revision'; fi
  if promise task-non-root task; then
    found=$(row task container | cut -f 2)
    case $found in None | '' | root* | 0 | 0:*) wrong "it runs as ${found/None/root}" ;; esac
    [ "$(row task container | cut -f 4)" != true ] || wrong 'it is privileged'
    [ "$(row task dropped)" = ALL ] || wrong 'it keeps capabilities'
    verdict "user $found, no capabilities" 'a user that is not root, without privileges and capabilities' 'apply infra/ again, then deploy the newest revision'
  fi
  if promise stop-timeout task; then
    found=$(row task container | cut -f 5)
    needed=$(option --drain-delay)
    needed=$(($(seconds "${needed:-15s}") + $(seconds "$(option --shutdown-grace | grep . || echo 25s)")))
    [ "$found" -gt "$needed" ] 2>/dev/null || wrong "${found:-none}"
    verdict "$found s, draining takes $needed s" "more than the $needed s that draining takes" 'apply infra/ again with a longer stop_timeout_seconds'
  fi
}
