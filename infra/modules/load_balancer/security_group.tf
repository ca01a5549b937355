resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:It is attached to the balancer in balancer.tf.
  name        = "${local.name}-balancer"
  description = "Who may reach the balancer of ${local.name}, and where it may go"
  vpc_id      = var.vpc_id

  tags = { Name = "${local.name}-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "door" {
  for_each = merge([
    for name, door in local.doors : { for cidr in door.cidrs : "${name} ${cidr}" => { port = door.port, cidr = cidr } }
  ]...)

  security_group_id = aws_security_group.this.id
  description       = each.key
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = strcontains(each.value.cidr, ":") ? null : each.value.cidr
  cidr_ipv6         = strcontains(each.value.cidr, ":") ? each.value.cidr : null
}
