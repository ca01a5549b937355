data "aws_region" "current" {}

output "hostname" {
  description = "Name of the servers, which their certificate carries."
  value       = local.hostname
}

output "load_balancer_dns_name" {
  description = "What that name must point to, where no zone_id was given: an alias or CNAME record."
  value       = module.load_balancer.dns_name
}

output "principal_table_name" {
  description = "Table of principals."
  value       = module.registry.principal_table_name
}

output "cert_table_name" {
  description = "Table of certificates."
  value       = module.registry.cert_table_name
}

output "control_table_name" {
  description = "Table of everything else."
  value       = module.registry.control_table_name
}

output "parameter_prefix" {
  description = "Path of the parameters that bootstrap fills."
  value       = module.secrets.parameter_prefix
}

output "ca_key_secret_arn" {
  description = "Secret for the root's key, which the administrator's role alone reads."
  value       = module.secrets.ca_key_secret_arn
}

output "issuer_key_secret_arn" {
  description = "Secret for the issuer's key, empty where that key is in KMS."
  value       = module.secrets.issuer_key_secret_arn
}

output "issuer_key_id" {
  description = "KMS key of the oldest issuer of client certificates; null where the key is a secret."
  value       = var.issuer_key_in_kms ? module.keys.issuer_key_ids[0] : null
}

output "issuer_key_ids" {
  description = "KMS keys of all issuers, by their names: `airunner ca prepare --kms-issuer-key` takes the new one."
  value       = var.issuer_key_in_kms ? zipmap(var.issuer_keys, module.keys.issuer_key_ids) : {}
}

output "audit_key_arn" {
  description = "KMS key that signs checkpoints of the audit log: its public half is what an export is verified with."
  value       = module.keys.audit_key_arn
}

output "truststore_bucket" {
  description = "Bucket of `truststore.pem`; null where it is not published."
  value       = one(module.truststore_bucket[*].name)
}

output "audit_bucket" {
  description = "Bucket of the audit log's checkpoints; null where there is none."
  value       = one(module.audit_bucket[*].name)
}

output "ecr_repository_url" {
  description = "Where images are pushed."
  value       = module.ecr.repository_url
}

output "image" {
  description = "Image of the newest task definition that Terraform wrote."
  value       = local.image
}

output "ecs_cluster_name" {
  description = "Cluster of the service."
  value       = module.service.cluster_name
}

output "ecs_service_name" {
  description = "The service, which stands still until bootstrap starts it."
  value       = module.service.service_name
}

output "task_definition_family" {
  description = "Where the pipeline registers its revisions."
  value       = module.service.task_definition_family
}

output "task_definition_arn" {
  description = "The newest revision that Terraform wrote."
  value       = module.service.task_definition_arn
}

output "log_group_name" {
  description = "Where the servers' log is."
  value       = module.service.log_group_name
}

output "alarm_topic_arn" {
  description = "Where alarms are published."
  value       = module.alarms.topic_arn
}

output "deploy_role_arn" {
  description = "Role that GitHub's pipelines take; null without github_repository."
  value       = one(module.github_oidc[*].role_arn)
}

output "bootstrap_command" {
  description = "Makes authorities, server certificate and first admin, uploads them, and starts the service."
  value       = local.bootstrap_command
}

output "deploy_command" {
  description = "Brings the newest revision of the task definition to the running service. One that Terraform wrote names `image`: set that to what runs before you apply."
  value = join(" ", [
    "aws ecs update-service --region ${data.aws_region.current.id}",
    "--cluster ${module.service.cluster_name} --service ${module.service.service_name}",
    "--task-definition ${module.service.task_definition_family}",
  ])
}

output "next_steps" {
  description = "What to do after the first apply."
  value = join("\n", concat(
    var.image == null ? ["Push an image for linux/${var.cpu_architecture == "ARM64" ? "arm64" : "amd64"}: ${local.image}"] : [],
    var.zone_id == null ? ["Point ${local.hostname} to ${module.load_balancer.dns_name} (CNAME)"] : [],
    ["As ${var.admin_role_arn}: ${local.bootstrap_command}"],
    var.autoscaling_enabled ? ["Apply once more: autoscaling takes its minimum of ${var.min_tasks} tasks over, now that the service runs"] : [],
  ))
}

locals {
  bootstrap_command = join(" ", concat(
    ["airunner bootstrap --application ${var.application} --environment ${var.environment} --domain ${var.domain}"],
    ["--aws-region ${data.aws_region.current.id}"],
    ["--principal-table ${module.registry.principal_table_name} --cert-table ${module.registry.cert_table_name} --control-table ${module.registry.control_table_name}"],
    var.issuer_key_in_kms ? ["--kms-issuer-key ${module.keys.issuer_key_ids[0]}"] : [],
    ["--ecs-cluster ${module.service.cluster_name} --ecs-service ${module.service.service_name} --desired-count ${var.min_tasks}"],
    ["--output-dir ./${var.environment}-certs"],
  ))
}
