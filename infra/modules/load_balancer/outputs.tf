output "dns_name" {
  description = "Name by which AWS knows the balancer: target of the alias records."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Hosted zone of that name, for alias records."
  value       = aws_lb.this.zone_id
}

output "arn_suffix" {
  description = "The balancer as metrics name it."
  value       = aws_lb.this.arn_suffix
}

output "security_group_id" {
  description = "The balancer's security group; the module service adds the way to its tasks."
  value       = aws_security_group.this.id
}

output "target_groups" {
  description = "Port and ARN of each target group, by the name of its door: mtls, health, enroll, pki."
  value       = { for name, door in local.doors : name => { port = door.port, arn = aws_lb_target_group.door[name].arn } }
  # A service cannot be created on a target group that no listener uses.
  depends_on = [aws_lb_listener.door]
}

output "mtls_target_group_arn_suffix" {
  description = "The target group of the API as metrics name it."
  value       = aws_lb_target_group.door["mtls"].arn_suffix
}
