resource "aws_security_group" "task" {
  #checkov:skip=CKV2_AWS_5:It is attached to the tasks in service.tf.
  name        = "${local.name}-server"
  description = "Who may reach the servers of ${local.name}, and where they may go"
  vpc_id      = var.vpc_id

  tags = { Name = "${local.name}-server" }
}

resource "aws_vpc_security_group_ingress_rule" "from_balancer" {
  for_each = var.target_groups

  security_group_id            = aws_security_group.task.id
  referenced_security_group_id = var.load_balancer_security_group_id
  description                  = "${each.key} from the balancer"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

# The other half of the same way. 8080 serves the health checks of all target groups.
resource "aws_vpc_security_group_egress_rule" "balancer_to_task" {
  for_each = var.target_groups

  security_group_id            = var.load_balancer_security_group_id
  referenced_security_group_id = aws_security_group.task.id
  description                  = "${each.key} to the servers"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "task_to_https" {
  for_each = toset(var.egress_cidrs)

  security_group_id = aws_security_group.task.id
  description       = "AWS, and issuers of OIDC tokens"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = strcontains(each.value, ":") ? null : each.value
  cidr_ipv6         = strcontains(each.value, ":") ? each.value : null
}
