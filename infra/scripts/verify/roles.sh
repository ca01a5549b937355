# What the program and its starting may do. A test in the repository compares the policy with the calls in the code; here
# it is the policy that counts in the account.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

role_name() {
  local arn
  arn=$(row task roles | cut -f "$1")
  printf '%s' "${arn##*/}"
}

roles_ask_3() {
  answered task || return 0
  local role
  for role in 1:task 2:execution; do
    ask "role-${role#*:}" iam get-role --role-name "$(role_name "${role%%:*}")" --query Role.AssumeRolePolicyDocument --output json
    ask "role-policies-${role#*:}" iam list-role-policies --role-name "$(role_name "${role%%:*}")" --query 'PolicyNames[].[@]'
    ask "role-attached-${role#*:}" iam list-attached-role-policies --role-name "$(role_name "${role%%:*}")" --query 'AttachedPolicies[].[PolicyName]'
  done
}

roles_ask_4() {
  local role name
  for role in 1:task 2:execution; do
    ! answered "role-policies-${role#*:}" || for name in $(said "role-policies-${role#*:}"); do
      ask "role-policy-${role#*:}-$name" iam get-role-policy --role-name "$(role_name "${role%%:*}")" --policy-name "$name" \
        --query PolicyDocument --output json
    done
  done
}

# statements ROLE   a line for each statement of its inline policies, see policy.awk.
statements() {
  local name
  for name in $(said "role-policies-$1"); do
    said "role-policy-$1-$name" | awk -f "$here/verify/policy.awk"
  done
}

# keys_of ROLE   all answers that a judgement of the role needs.
keys_of() {
  printf 'role-policies-%s role-attached-%s' "$1" "$1"
  said "role-policies-$1" | sed "s/^/ role-policy-$1-/" | tr '\n' ' '
}

# only_inline ROLE   infra/ attaches nothing: what is attached was added by hand.
only_inline() {
  local attached
  attached=$(said "role-attached-$1" | tr '\n' ' ')
  [ -z "$attached" ] || wrong "attached by hand: ${attached% }"
  [ -n "$(said "role-policies-$1")" ] || wrong 'it has no policy'
}

trusted_by_ecs() {
  promise "$1-role-trust" "role-$1" || return 0
  local found
  found=$(said "role-$1" | awk -f "$here/verify/policy.awk" | cut -f 1-3 | tr '\t\n' ' ;')
  equal "${found%;}" "Allow sts:AssumeRole Service:ecs-tasks.amazonaws.com" 'apply infra/ again: somebody else can become this role'
}

roles_judge() {
  local keys
  keys=$(keys_of task)
  # shellcheck disable=SC2086 # a list of keys
  if promise task-role-no-wildcard task $keys; then
    only_inline task
    while IFS= read -r line; do wrong "$line"; done < <(statements task | awk -F '\t' '
      $1 != "Allow" { next }
      $2 ~ /[*?!]/ { print "it may " $2 }
      $4 ~ /[*?!]/ || $4 == "" { print $2 " on " ($4 == "" ? "anything" : $4) }')
    verdict "$(statements task | cut -f 2 | tr ' ' '\n' | sort -u | grep -c .) actions, each on named resources" 'no wildcard in any action or resource, nothing attached' 'apply infra/ again'
  fi
  keys=$(keys_of execution)
  # shellcheck disable=SC2086
  if promise execution-role-narrow task $keys; then
    only_inline execution
    while IFS= read -r line; do wrong "$line"; done < <(statements execution | awk -F '\t' -v own="/$application/$environment/" -v prefix="$prefix" '
      BEGIN {
        n = split("ecr:GetAuthorizationToken ecr:BatchCheckLayerAvailability ecr:BatchGetImage ecr:GetDownloadUrlForLayer " \
          "logs:CreateLogStream logs:PutLogEvents ssm:GetParameters secretsmanager:GetSecretValue kms:Decrypt", names, " ")
        for (i = 1; i <= n; i++) wanted[names[i]] = 1
      }
      $1 != "Allow" { next }
      {
        n = split($2, action, " ")
        for (i = 1; i <= n; i++) if (!(action[i] in wanted)) print "it may " action[i]
        n = split($4, resource, " ")
        for (i = 1; i <= n; i++) {
          if (resource[i] == "*" && $2 != "ecr:GetAuthorizationToken") print $2 " on *"
          if ($2 ~ /ssm:|secretsmanager:/ && !index(resource[i], own)) print $2 " on " resource[i]
          if (resource[i] ~ /ca-key/) print "it may read ca-key"
        }
      }')
    verdict 'pulls the image, reads the parameters and secrets of this deployment, writes its log' 'that, and nothing else' 'apply infra/ again'
  fi
  trusted_by_ecs task
  trusted_by_ecs execution
}
