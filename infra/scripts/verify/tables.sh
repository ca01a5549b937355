# The registry: what infra/modules/registry deploys and data.md promises.
# shellcheck shell=bash disable=SC2154,SC2034 # verify.sh sets and uses what is not of this file

tables='principals certificates control'

table_name() {
  printf '%s_%s_%s' "$application" "$environment" "$1"
}

tables_ask_1() {
  local table
  for table in $tables; do
    ask "table-$table" dynamodb describe-table --table-name "$(table_name "$table")" --query "Table.[
      TableStatus, SSEDescription.SSEType, SSEDescription.KMSMasterKeyArn, to_string(DeletionProtectionEnabled),
      BillingModeSummary.BillingMode, join('/', KeySchema[].AttributeName),
      join(' ', sort((GlobalSecondaryIndexes || \`[]\`)[].join(':', [IndexName, join('/', KeySchema[].AttributeName), Projection.ProjectionType])))]"
    ask "backups-$table" dynamodb describe-continuous-backups --table-name "$(table_name "$table")" \
      --query 'ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus'
    [ "$table" = principals ] || ask "ttl-$table" dynamodb describe-time-to-live --table-name "$(table_name "$table")" \
      --query 'TimeToLiveDescription.[TimeToLiveStatus, AttributeName]'
  done
}

# every_table KEY COLUMN EXPECTED   notes the tables in which a field is another.
every_table() {
  local table found
  for table in $tables; do
    found=$(column "$1-$table" "$2")
    [ "$found" = "$3" ] || wrong "$(table_name "$table") has ${found:-nothing}"
  done
}

# one_table NAME TABLE KEYS INDEXES
one_table() {
  promise "$1" "table-$2" || return 0
  [ "$(column "table-$2" 6)" = "$3" ] || wrong "its key is $(column "table-$2" 6)"
  [ "$(column "table-$2" 7)" = "$4" ] || wrong "its indexes are $(column "table-$2" 7)"
  verdict "$(table_name "$2"): key $3${4:+, indexes $4}" "key $3${4:+, indexes $4}" \
    "a key or index cannot be changed in place: restore $(table_name "$2") from infra/, with its backup"
}

tables_judge() {
  local all='table-principals table-certificates table-control'
  # shellcheck disable=SC2086 # a list of keys
  if promise tables-there $all; then
    every_table table 1 ACTIVE
    every_table table 5 PAY_PER_REQUEST
    verdict 'three tables, active, on demand' 'three tables, ACTIVE, PAY_PER_REQUEST' 'apply infra/ again'
  fi
  one_table tables-gsi-principals principals principal_id 'GSI1:status/created_at:ALL GSI2:type/created_at:ALL'
  one_table tables-gsi-certificates certificates serial_number \
    'GSI1:principal_id/issued_at:ALL GSI2:fingerprint:ALL GSI3:expiry_day/expires_at:ALL'
  one_table tables-gsi-control control pk/sk ''
  # shellcheck disable=SC2086
  if promise tables-encrypted $all key-tables; then
    every_table table 2 KMS
    every_table table 3 "$(column key-tables 6)"
    verdict "by alias/$prefix-tables" "every table by alias/$prefix-tables" 'apply infra/ again'
  fi
  if promise tables-pitr backups-principals backups-certificates backups-control; then
    every_table backups 1 ENABLED
    verdict 'point-in-time recovery of three tables' 'ENABLED' 'apply infra/ again: nothing of the time without it can be restored'
  fi
  if promise tables-ttl ttl-certificates ttl-control; then
    local table
    for table in certificates control; do
      [ "$(said "ttl-$table" | tr '\t' ' ')" = 'ENABLED ttl' ] || wrong "$(table_name "$table") has $(said "ttl-$table" | tr '\t' ' ')"
    done
    verdict 'certificates and control, by ttl' 'ENABLED by the attribute ttl' 'apply infra/ again'
  fi
  # shellcheck disable=SC2086
  if promise tables-deletion-protection $all; then
    every_table table 4 true
    verdict 'three tables cannot be deleted' 'true' 'apply infra/ again with deletion_protection = true'
  fi
}
