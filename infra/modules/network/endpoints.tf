# The way to AWS that does not leave it. Each endpoint lets only this account through: a task that was taken over cannot
# carry data to another account's tables or buckets.

locals {
  service = "com.amazonaws.${data.aws_region.current.id}"

  of_this_account = {
    Sid       = "ThisAccount"
    Effect    = "Allow"
    Principal = "*"
    Action    = "*"
    Resource  = "*"
    Condition = { StringEquals = { "aws:PrincipalAccount" = data.aws_caller_identity.current.account_id } }
  }

  # ECR hands out addresses of a bucket of AWS's own, signed by AWS, from which the layers of images are read.
  image_layers = {
    Sid       = "LayersOfImages"
    Effect    = "Allow"
    Principal = "*"
    Action    = "s3:GetObject"
    Resource  = "arn:${data.aws_partition.current.partition}:s3:::prod-${data.aws_region.current.id}-starport-layer-bucket/*"
  }

  # An agent that joins with its IAM role signs this question, and the server passes it on; the agent may be of any account.
  who_are_you = {
    Sid       = "IdentityOfAgents"
    Effect    = "Allow"
    Principal = "*"
    Action    = "sts:GetCallerIdentity"
    Resource  = "*"
  }

  gateway_endpoints = {
    dynamodb = [local.of_account_to_account]
    s3       = [local.of_account_to_account, local.image_layers]
  }
  of_account_to_account = merge(local.of_this_account, {
    Condition = { StringEquals = {
      "aws:PrincipalAccount" = data.aws_caller_identity.current.account_id
      "aws:ResourceAccount"  = data.aws_caller_identity.current.account_id
    } }
  })

  interface_endpoints = {
    ssm            = [local.of_this_account]
    secretsmanager = [local.of_this_account]
    "ecr.api"      = [local.of_this_account]
    "ecr.dkr"      = [local.of_this_account]
    logs           = [local.of_this_account]
    kms            = [local.of_this_account]
    sts            = [local.of_this_account, local.who_are_you]
  }
}

resource "aws_vpc_endpoint" "gateway" {
  for_each = { for service, statements in local.gateway_endpoints : service => statements if local.made == 1 }

  vpc_id            = aws_vpc.this[0].id
  service_name      = "${local.service}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for table in aws_route_table.application : table.id]
  policy            = jsonencode({ Version = "2012-10-17", Statement = each.value })
  tags              = { Name = "${local.prefix}-${each.key}" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = { for service, statements in local.interface_endpoints : service => statements if local.made == 1 && var.interface_endpoints }

  vpc_id              = aws_vpc.this[0].id
  service_name        = "${local.service}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.application : subnet.id]
  security_group_ids  = [aws_security_group.endpoints[0].id]
  policy              = jsonencode({ Version = "2012-10-17", Statement = each.value })
  tags                = { Name = "${local.prefix}-${each.key}" }
}

resource "aws_security_group" "endpoints" {
  count = local.made == 1 && var.interface_endpoints ? 1 : 0

  name        = "${local.prefix}-endpoints"
  description = "Interface endpoints: HTTPS from the application subnets, nothing out."
  vpc_id      = aws_vpc.this[0].id
  tags        = { Name = "${local.prefix}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each = var.interface_endpoints ? aws_subnet.application : {}

  security_group_id = aws_security_group.endpoints[0].id
  description       = "Tasks in ${each.key}"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = each.value.cidr_block
}
