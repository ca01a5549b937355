output "cluster_name" {
  description = "For `airunner bootstrap --ecs-cluster`."
  value       = aws_ecs_cluster.this.name
}

output "cluster_arn" {
  description = "For the policy of the deploying role."
  value       = aws_ecs_cluster.this.arn
}

output "service_name" {
  description = "For `airunner bootstrap --ecs-service`."
  value       = aws_ecs_service.server.name
}

output "service_arn" {
  description = "For the policy of the deploying role."
  value       = aws_ecs_service.server.id
}

output "task_definition_arn" {
  description = "The newest revision that Terraform wrote; the service may run a later one, of the pipeline."
  value       = aws_ecs_task_definition.server.arn
}

output "task_definition_family" {
  description = "Where the pipeline registers its revisions."
  value       = aws_ecs_task_definition.server.family
}

output "task_role_arn" {
  description = "Role of the program."
  value       = aws_iam_role.task.arn
}

output "execution_role_arn" {
  description = "Role by which ECS starts it; the only reader of the secret issuer-key."
  value       = aws_iam_role.execution.arn
}

output "security_group_id" {
  description = "Security group of the tasks."
  value       = aws_security_group.task.id
}

output "log_group_name" {
  description = "Where the servers' log is."
  value       = aws_cloudwatch_log_group.server.name
}

output "metric_namespace" {
  description = "Where the metrics made from the log are: FeedAge, Connections, ServerErrors, CertificateDaysLeft, DeniedAdmissions, RefusedJoins, FailedRequests, RefusedSecrets."
  value       = local.metric_namespace
}
