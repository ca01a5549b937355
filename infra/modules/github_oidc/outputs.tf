output "role_arn" {
  description = "For `role-to-assume` of the deployment workflow."
  value       = aws_iam_role.deploy.arn
}

output "oidc_provider_arn" {
  description = "The account's provider for GitHub, for the next deployment in this account."
  value       = local.provider_arn
}
