output "parameter_prefix" {
  description = "For `AIRUNNER_SSM_PREFIX`."
  value       = local.prefix
}

output "parameter_arns" {
  description = "By short name: `ca-cert`, `server-cert`, `issuer-cert`, `server-key`."
  value = merge(
    { for name, parameter in aws_ssm_parameter.public : name => parameter.arn },
    { server-key = aws_ssm_parameter.server_key.arn },
  )
}

output "store_epoch_parameter_arn" {
  description = "What the servers remember outside of the tables."
  value       = aws_ssm_parameter.store_epoch.arn
}

output "ca_key_secret_arn" {
  description = "The root's key; not for any task."
  value       = aws_secretsmanager_secret.ca_key.arn
}

output "issuer_key_secret_arn" {
  description = "For `AIRUNNER_ISSUER_KEY`, unless the issuer's key is in KMS."
  value       = aws_secretsmanager_secret.issuer_key.arn
}
