resource "aws_appautoscaling_target" "tasks" {
  count = var.autoscaling_enabled ? 1 : 0

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.server.name}"
  # AWS raises a service to its minimum at once, and this one must stand still until bootstrap has started it: desired_count is
  # read back at each plan, so the apply after that sets the minimum. The same goes for a service stopped on purpose.
  min_capacity = aws_ecs_service.server.desired_count == 0 ? 0 : var.min_tasks
  max_capacity = var.max_tasks
}

# Handshakes are CPU: a core does some hundred a second, and a fleet that comes back at once is the highest load there is.
resource "aws_appautoscaling_policy" "cpu" {
  count = var.autoscaling_enabled ? 1 : 0

  name               = "${local.name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.tasks[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.tasks[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.tasks[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 50
    scale_out_cooldown = 60
    # Scaling in moves agents to other tasks, which costs handshakes: not in a hurry.
    scale_in_cooldown = 600

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

# Idle streams cost memory and no CPU. The servers say themselves how many they hold: the balancer's ActiveFlowCount also
# counts probes and half-open connections, and is not per task.
resource "aws_appautoscaling_policy" "connections" {
  count = var.autoscaling_enabled ? 1 : 0

  name               = "${local.name}-connections"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.tasks[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.tasks[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.tasks[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.connections_per_process
    scale_out_cooldown = 60
    scale_in_cooldown  = 600

    customized_metric_specification {
      namespace   = local.metric_namespace
      metric_name = "Connections"
      statistic   = "Average"
    }
  }
}
