output "tables_key_arn" {
  description = "Encrypts the registry's tables."
  value       = aws_kms_key.tables.arn
}

output "secrets_key_arn" {
  description = "Encrypts secrets and secure parameters."
  value       = aws_kms_key.secrets.arn
}

output "logs_key_arn" {
  description = "Encrypts log groups of this account and region."
  value       = aws_kms_key.logs.arn
}

output "alerts_key_arn" {
  description = "Encrypts the topic to which alarms are published."
  value       = aws_kms_key.alerts.arn
}

output "issuer_key_arns" {
  description = "Sign client certificates, in the order of `issuer_keys`: for `AIRUNNER_ISSUER_KMS_KEY_ID` and the policy of the task role."
  value       = [for name in var.issuer_keys : aws_kms_key.issuer[name].arn]
}

output "issuer_key_ids" {
  description = "For `airunner bootstrap --kms-issuer-key` (the first) and `airunner ca prepare --kms-issuer-key` (the last)."
  value       = [for name in var.issuer_keys : aws_kms_key.issuer[name].key_id]
}

output "audit_key_arn" {
  description = "Signs checkpoints of the audit log: for `AIRUNNER_AUDIT_KMS_KEY_ID` and the policy of the task role."
  value       = aws_kms_key.audit.arn
}

output "server_issuer_key_arn" {
  description = "Signs server certificates; null unless `server_issuer`."
  value       = one(aws_kms_key.server_issuer[*].arn)
}

output "server_issuer_key_id" {
  description = "For `AIRUNNER_SERVER_ISSUER_KMS_KEY_ID`; null unless `server_issuer`."
  value       = one(aws_kms_key.server_issuer[*].key_id)
}
