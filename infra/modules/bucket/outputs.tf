output "name" {
  description = "For `--truststore-bucket` or `--audit-bucket`."
  value       = aws_s3_bucket.this.id
}

output "arn" {
  description = "For the policies of who reads and writes."
  value       = aws_s3_bucket.this.arn
}
