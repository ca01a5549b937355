output "fqdn" {
  description = "The name, as Route 53 holds it."
  value       = aws_route53_record.alias["A"].fqdn
}
