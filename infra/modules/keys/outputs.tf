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

output "issuer_key_arn" {
  description = "Signs client certificates: for the policy of the task role."
  value       = aws_kms_key.issuer.arn
}

output "issuer_key_id" {
  description = "For `AIRUNNER_ISSUER_KMS_KEY_ID` and `airunner bootstrap --kms-issuer-key`."
  value       = aws_kms_key.issuer.key_id
}

output "server_issuer_key_arn" {
  description = "Signs server certificates; null unless `server_issuer`."
  value       = one(aws_kms_key.server_issuer[*].arn)
}

output "server_issuer_key_id" {
  description = "For `AIRUNNER_SERVER_ISSUER_KMS_KEY_ID`; null unless `server_issuer`."
  value       = one(aws_kms_key.server_issuer[*].key_id)
}
