# KMS keys: what infra/modules/keys deploys.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

keys_for='tables secrets logs alerts'

keys_ask_1() {
  local key
  for key in $keys_for issuer audit; do
    ask "key-$key" kms describe-key --key-id "alias/$prefix-$key" \
      --query 'KeyMetadata.[KeyId, KeyState, KeySpec, KeyUsage, KeyManager, Arn]'
  done
}

keys_ask_2() {
  local key
  for key in $keys_for; do
    ! answered "key-$key" || ask "rotation-$key" kms get-key-rotation-status --key-id "$(column "key-$key" 1)" \
      --query 'to_string(KeyRotationEnabled)'
  done
  ! answered key-issuer || ask issuer-public kms get-public-key --key-id "$(column key-issuer 1)" --query PublicKey
}

keys_judge() {
  local key
  if promise keys-enabled key-tables key-secrets key-logs key-alerts key-issuer key-audit; then
    for key in $keys_for issuer audit; do
      [ "$(column "key-$key" 2)" = Enabled ] || wrong "alias/$prefix-$key is $(column "key-$key" 2)"
    done
    verdict "tables, secrets, logs, alerts, issuer, audit" 'Enabled' \
      'aws kms enable-key, or cancel-key-deletion: what a key has encrypted ends with it'
  fi
  if promise keys-rotate rotation-tables rotation-secrets rotation-logs rotation-alerts; then
    for key in $keys_for; do
      [ "$(said "rotation-$key")" = true ] || wrong "alias/$prefix-$key does not"
    done
    verdict 'tables, secrets, logs, alerts' 'yearly rotation by KMS' 'aws kms enable-key-rotation, or apply infra/ again'
  fi
  if promise issuer-key-p256 key-issuer; then
    equal "$(column key-issuer 3)/$(column key-issuer 4)" ECC_NIST_P256/SIGN_VERIFY \
      'a key cannot be changed: let infra/ make another, then airunner bootstrap --kms-issuer-key'
  fi
  if promise audit-key-p256 key-audit; then
    equal "$(column key-audit 3)/$(column key-audit 4)" ECC_NIST_P256/SIGN_VERIFY \
      'a key cannot be changed: let infra/ make another'
  fi
}
