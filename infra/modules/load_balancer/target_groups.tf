resource "aws_lb_target_group" "door" {
  #checkov:skip=CKV_AWS_378:TCP, not HTTP: what is TLS stays TLS up to the server.
  for_each = local.doors

  name        = "${local.name}-${each.key}"
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "TCP"
  port        = each.value.port

  # The client's address comes by PROXY v2: preserving it instead would lose that of every IPv6 client, since a dual-stack
  # balancer speaks IPv4 to its targets. AWS puts the header in front of health checks as well, so the server's health
  # listener takes one from the balancer's subnets.
  proxy_protocol_v2  = each.value.tls
  preserve_client_ip = false

  # ECS waits this long between taking a task out of the balancer and SIGTERM. It is short, and connections are not cut
  # at its end: the server itself asks its agents to come back one by one, over its drain delay and grace.
  deregistration_delay   = 30
  connection_termination = false

  health_check {
    protocol            = "HTTP"
    port                = "8080"
    path                = "/health"
    matcher             = "200"
    interval            = 30
    timeout             = 6
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}
