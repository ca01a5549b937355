output "principal_table_name" {
  description = "For `AIRUNNER_PRINCIPAL_TABLE`."
  value       = aws_dynamodb_table.principals.name
}

output "principal_table_arn" {
  description = "For the policy of the task role."
  value       = aws_dynamodb_table.principals.arn
}

output "cert_table_name" {
  description = "For `AIRUNNER_CERT_TABLE`."
  value       = aws_dynamodb_table.certificates.name
}

output "cert_table_arn" {
  description = "For the policy of the task role."
  value       = aws_dynamodb_table.certificates.arn
}

output "control_table_name" {
  description = "For `AIRUNNER_CONTROL_TABLE`."
  value       = aws_dynamodb_table.control.name
}

output "control_table_arn" {
  description = "For the policy of the task role."
  value       = aws_dynamodb_table.control.arn
}

output "index_arns" {
  description = "Every index of the tables; the control table has none."
  value = concat(
    [for gsi in aws_dynamodb_table.principals.global_secondary_index : "${aws_dynamodb_table.principals.arn}/index/${gsi.name}"],
    [for gsi in aws_dynamodb_table.certificates.global_secondary_index : "${aws_dynamodb_table.certificates.arn}/index/${gsi.name}"],
  )
}
