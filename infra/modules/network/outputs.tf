locals {
  # In the order of the zones.
  public      = [for zone in local.names : aws_subnet.public[zone] if local.made == 1]
  application = [for zone in local.names : aws_subnet.application[zone].id if local.made == 1]
  data        = [for zone in local.names : aws_subnet.data[zone].id if local.made == 1]
}

output "vpc_id" {
  description = "The VPC, made or existing."
  value       = var.existing == null ? aws_vpc.this[0].id : var.existing.vpc_id
}

output "public_subnet_ids" {
  description = "For the balancer."
  value       = var.existing == null ? local.public[*].id : var.existing.public_subnet_ids
}

output "application_subnet_ids" {
  description = "For the tasks."
  value       = var.existing == null ? local.application : var.existing.application_subnet_ids
}

output "data_subnet_ids" {
  description = "Subnets without a way out; empty in an existing VPC."
  value       = local.data
}

output "public_subnet_cidrs" {
  description = "IPv4 and IPv6 addresses of the public subnets: whom `--proxy-protocol` and the tasks' security group believe."
  value = var.existing == null ? concat(
    local.public[*].cidr_block,
    local.dualstack ? local.public[*].ipv6_cidr_block : [],
    ) : flatten([
      for subnet in data.aws_subnet.existing_public : compact([subnet.cidr_block, subnet.ipv6_cidr_block])
  ])
}

output "endpoints_security_group_id" {
  description = "Security group of the interface endpoints; null without them."
  value       = one(aws_security_group.endpoints[*].id)
}
