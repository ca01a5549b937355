locals {
  name = "${var.application}-${var.environment}"

  # One door: a listener, its target group, and who may come. `tls` doors carry TLS through to the server.
  doors = merge(
    {
      mtls   = { port = 443, tls = true, cidrs = var.client_cidrs }
      health = { port = 8080, tls = false, cidrs = var.health_cidrs }
    },
    var.enrollment_enabled ? { enroll = { port = 8444, tls = true, cidrs = var.enrollment_cidrs } } : {},
    var.pki_enabled ? { pki = { port = 8081, tls = false, cidrs = var.pki_cidrs } } : {},
  )
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:A network balancer writes access logs for TLS listeners alone, and none of these ends TLS; flow logs of the VPC and the server's own log tell who connected.
  #checkov:skip=CKV2_AWS_20:Nothing here is to be redirected to HTTPS: 443 is passed through, 8080 serves probes, and CRLs are fetched over plain HTTP by design (RFC 5280 §4.2.1.13).
  name                             = local.name
  load_balancer_type               = "network"
  internal                         = false
  ip_address_type                  = var.ip_address_type
  subnets                          = var.subnet_ids
  security_groups                  = [aws_security_group.this.id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.deletion_protection
}

resource "aws_lb_listener" "door" {
  #checkov:skip=CKV_AWS_2:The protocol is TCP so that TLS is ended by the server, which must see the client's certificate.
  #checkov:skip=CKV_AWS_103:As above: the server speaks TLS 1.3 and nothing older.
  for_each = local.doors

  load_balancer_arn = aws_lb.this.arn
  port              = each.value.port
  protocol          = "TCP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.door[each.key].arn
  }
}
