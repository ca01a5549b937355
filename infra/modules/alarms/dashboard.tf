data "aws_region" "current" {}

locals {
  own_graphs = {
    "Open connections, a process"           = { metrics = ["Connections"], stat = "Average" }
    "Age of the feed, s"                    = { metrics = ["FeedAge"], stat = "Maximum" }
    "Days until the next certificate ends"  = { metrics = ["CertificateDaysLeft"], stat = "Minimum" }
    "Refused at the door, failed, answered" = { metrics = ["DeniedAdmissions", "RefusedJoins", "FailedRequests", "ServerErrors"], stat = "Sum" }
  }

  graphs = concat(
    [for title, graph in local.own_graphs : {
      title = title, stat = graph.stat, metrics = [for metric in graph.metrics : [var.metric_namespace, metric]]
    }],
    [
      {
        title = "Targets"
        stat  = "Maximum"
        metrics = [for metric in ["HealthyHostCount", "UnHealthyHostCount"] :
          ["AWS/NetworkELB", metric, "TargetGroup", var.target_group_arn_suffix, "LoadBalancer", var.load_balancer_arn_suffix]
        ]
      },
      {
        title   = "New flows"
        stat    = "Sum"
        metrics = [["AWS/NetworkELB", "NewFlowCount", "LoadBalancer", var.load_balancer_arn_suffix]]
      },
      {
        title = "CPU and memory of the tasks, %"
        stat  = "Average"
        metrics = [for metric in ["CPUUtilization", "MemoryUtilization"] :
          ["AWS/ECS", metric, "ClusterName", var.cluster_name, "ServiceName", var.service_name]
        ]
      },
      {
        title = "What the tables were asked, units"
        stat  = "Sum"
        metrics = [for pair in setproduct(var.table_names, ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"]) :
          ["AWS/DynamoDB", pair[1], "TableName", pair[0]]
        ]
      },
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = local.name
  dashboard_body = jsonencode({
    widgets = [for index, graph in local.graphs : {
      type   = "metric"
      x      = (index % 2) * 12
      y      = floor(index / 2) * 6
      width  = 12
      height = 6
      properties = {
        title   = graph.title
        region  = data.aws_region.current.id
        period  = 60
        stat    = graph.stat
        metrics = graph.metrics
      }
    }]
  })
}
