resource "aws_ecs_service" "server" {
  name                              = "rpc-server"
  cluster                           = aws_ecs_cluster.this.id
  task_definition                   = aws_ecs_task_definition.server.arn
  launch_type                       = "FARGATE"
  platform_version                  = "LATEST"
  desired_count                     = 0
  health_check_grace_period_seconds = 120
  enable_execute_command            = false
  availability_zone_rebalancing     = "ENABLED"
  propagate_tags                    = "SERVICE"

  # New tasks are healthy before old ones drain; a version that does not start is taken back.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = var.target_groups

    content {
      target_group_arn = load_balancer.value.arn
      container_name   = local.container.name
      container_port   = load_balancer.value.port
    }
  }

  lifecycle {
    # desired_count: at first 0, for the secrets do not exist yet; bootstrap starts the service, then autoscaling or an
    # operator has the number. task_definition: the pipeline registers a revision for each image, and an apply must not
    # take the image back. A task definition changed here reaches the service with the next deployment, which starts
    # from the family's newest revision (output deploy_command does the same by hand).
    ignore_changes = [desired_count, task_definition]
  }

  # A task that starts before its policies are there fails for want of them, and a stopping one still needs them.
  depends_on = [
    aws_iam_role_policy.task,
    aws_iam_role_policy.execution,
    aws_vpc_security_group_ingress_rule.from_balancer,
    aws_vpc_security_group_egress_rule.balancer_to_task,
    aws_vpc_security_group_egress_rule.task_to_https,
  ]
}
