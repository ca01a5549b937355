# Parameters and secrets: what infra/modules/secrets deploys and `airunner bootstrap` fills. Only public values are read:
# of a key, nothing but that there is one, how it is kept, and who may read it.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

public_parameters='ca-cert server-cert issuer-cert'

secrets_ask_1() {
  local name
  # One line each: name, type, version, key, tier.
  ask parameters ssm describe-parameters --parameter-filters "Key=Path,Option=OneLevel,Values=/$application/$environment" \
    --query 'Parameters[].[Name, Type, to_string(Version), KeyId]'
  ask certificates ssm get-parameters --names "/$application/$environment/ca-cert" "/$application/$environment/server-cert" \
    "/$application/$environment/issuer-cert" --query 'Parameters[].[Name, Value]'
  for name in ca-key issuer-key; do
    ask "secret-$name" secretsmanager describe-secret --secret-id "/$application/$environment/$name" \
      --query 'to_string([KmsKeyId, DeletedDate])'
    ask "secret-policy-$name" secretsmanager get-resource-policy --secret-id "/$application/$environment/$name" --query ResourcePolicy
  done
}

# denied_but NAME ACTION   who alone may, by the secret's own policy: the ARNs that its denial leaves out. Nothing when a
# denial of the action to everybody else is missing, or has another condition beside.
denied_but() {
  said "secret-policy-$1" | awk -f "$here/verify/policy.awk" | awk -F '\t' -v action="secretsmanager:$2" '
    $1 == "Deny" && ($3 == "*" || $3 == "AWS:*") && index(" " $2 " ", " " action " ") {
      n = split($5, condition, " ")
      names = ""
      for (i = 1; i <= n; i++) {
        if (condition[i] !~ /^ArnNotEquals(IfExists)?\/aws:PrincipalArn=/) next
        sub(/^[^=]*=/, "", condition[i])
        names = names (names == "" ? "" : " ") condition[i]
      }
      print names
      exit
    }'
}

# one_secret PROMISE SECRET READER   READER empty: any one role.
one_secret() {
  promise "$1" "secret-$2" "secret-policy-$2" || return 0
  local reader writer
  reader=$(denied_but "$2" GetSecretValue)
  writer=$(denied_but "$2" PutSecretValue)
  case $reader in
    '') wrong 'its policy denies reading to nobody' ;;
    *' '*) wrong "its policy lets several read it: $reader" ;;
    *:role/*) [ -z "$3" ] || [ "$reader" = "$3" ] || wrong "read by $reader" ;;
    *) wrong "read by $reader, which is no role" ;;
  esac
  [ -n "$writer" ] || wrong 'its policy denies writing to nobody'
  if [ -n "$admin_role" ]; then [ "$writer" = "$admin_role" ] || wrong "written by ${writer:-anybody}"; fi
  verdict "read by $reader alone, written by $writer alone" "read by ${3:-one role} alone, written by ${admin_role:-one role} alone" \
    'apply infra/ again, find in CloudTrail who changed it, and count the key as stolen if it was read'
}

# certificate_of NAME   the first certificate of a public parameter, in a file; false when there is none.
certificate_of() {
  # A value has many lines; a name and a tab begin the next one. Base64 begins with a slash as well, one line in 64.
  said certificates | awk -F '\t' -v name="/$application/$environment/$1" '
    NF > 1 { wanted = $1 == name; sub(/^[^\t]*\t/, "") }
    wanted' >"$work/$1.pem"
  openssl x509 -in "$work/$1.pem" -out "$work/$1.leaf.pem" 2>/dev/null
}

secrets_judge() {
  local name row
  if promise parameters-there parameters; then
    for name in $public_parameters; do
      row=$(row parameters "/$application/$environment/$name" | cut -f 1)
      [ "$row" = String ] || wrong "$name is ${row:-not there}"
    done
    [ -n "$(row parameters "/$application/$environment/server-key")" ] || wrong 'server-key is not there'
    verdict "/$application/$environment: ca-cert, server-cert, issuer-cert, server-key" 'three of type String, and server-key' 'apply infra/ again'
  fi
  if promise server-key-is-secure-string parameters key-secrets; then
    row=$(row parameters "/$application/$environment/server-key")
    [ "$(cut -f 1 <<<"$row")" = SecureString ] || wrong "its type is $(cut -f 1 <<<"$row")"
    case $(cut -f 3 <<<"$row") in
      "$(column key-secrets 1)" | "$(column key-secrets 6)" | "alias/$prefix-secrets") ;;
      *) wrong "encrypted by $(cut -f 3 <<<"$row")" ;;
    esac
    verdict "by alias/$prefix-secrets" "SecureString, encrypted by alias/$prefix-secrets" \
      'delete it and apply infra/ again, then: airunner bootstrap --rotate-server-cert (the old key was readable)'
  fi
  if promise no-placeholder-left parameters certificates; then
    for name in $public_parameters; do
      certificate_of "$name" || wrong "$name holds no certificate"
    done
    # Terraform writes version 1 of the key, bootstrap the next; what is in it is not looked at.
    row=$(row parameters "/$application/$environment/server-key" | cut -f 2)
    [ "${row:-0}" -gt 1 ] || wrong 'server-key was never written'
    verdict 'certificates in ca-cert, server-cert, issuer-cert; server-key was written' 'what airunner bootstrap writes' "airunner bootstrap --environment $environment …"
  fi
  if promise server-certificate-good certificates; then
    judge_server_certificate
  fi
  if promise issuer-certificate-good certificates; then
    judge_issuer_certificate
  fi
  one_secret ca-key-admin-only ca-key "$admin_role"
  if promise issuer-key-execution-role-only task; then one_secret issuer-key-execution-role-only issuer-key "$(row task roles | cut -f 2)"; fi
  if promise secrets-encrypted secret-ca-key secret-issuer-key key-secrets; then
    for name in ca-key issuer-key; do
      case $(said "secret-$name") in
        *"$(column key-secrets 1)"*) ;;
        *) wrong "$name has another key: $(said "secret-$name")" ;;
      esac
      case $(said "secret-$name") in *,null]) ;; *) wrong "$name is to be deleted" ;; esac
    done
    verdict "ca-key, issuer-key by alias/$prefix-secrets" "by alias/$prefix-secrets, not to be deleted" 'apply infra/ again; aws secretsmanager restore-secret'
  fi
}

judge_server_certificate() {
  local leaf=$work/server-cert.leaf.pem ends
  certificate_of ca-cert || wrong 'there are no roots'
  if ! certificate_of server-cert; then
    wrong 'no certificate'
  else
    openssl verify -CAfile "$work/ca-cert.pem" -untrusted "$work/server-cert.pem" -purpose sslserver "$leaf" >/dev/null 2>&1 ||
      wrong 'it does not chain to ca-cert as a server'
    openssl x509 -in "$leaf" -noout -text | tr -s ', ' '\n' | grep -qx "DNS:$hostname" || wrong "it is not for $hostname"
    openssl x509 -in "$leaf" -noout -checkend $((14 * 86400)) >/dev/null || wrong 'it ends within 14 days'
  fi
  ends=$(openssl x509 -in "$leaf" -noout -enddate 2>/dev/null | cut -d = -f 2)
  verdict "for $hostname, until $ends" "for $hostname, chained to ca-cert, good for 14 days at least" \
    "airunner bootstrap --environment $environment --rotate-server-cert …"
}

judge_issuer_certificate() {
  local leaf=$work/issuer-cert.leaf.pem ends
  certificate_of ca-cert || wrong 'there are no roots'
  if ! certificate_of issuer-cert; then
    wrong 'no certificate'
  else
    openssl verify -CAfile "$work/ca-cert.pem" "$leaf" >/dev/null 2>&1 || wrong 'it does not chain to ca-cert'
    openssl x509 -in "$leaf" -noout -checkend $((30 * 86400)) >/dev/null || wrong 'it ends within 30 days'
    # Where the task signs by KMS, certificate and key must be a pair.
    if [ -n "$(of_task environment AIRUNNER_ISSUER_KMS_KEY_ID)" ] && answered issuer-public; then
      [ "$(openssl x509 -in "$leaf" -noout -pubkey | sed '/-----/d' | tr -d '\n')" = "$(said issuer-public | tr -d '\n')" ] ||
        wrong "its key is not that of alias/$prefix-issuer"
    fi
  fi
  ends=$(openssl x509 -in "$leaf" -noout -enddate 2>/dev/null | cut -d = -f 2)
  verdict "until $ends" 'chained to ca-cert, of the key that signs, good for 30 days at least' \
    "airunner bootstrap --environment $environment …; a new issuer: docs/operations.md"
}
