data "aws_region" "current" {}

locals {
  name   = "${var.application}-${var.environment}"
  region = data.aws_region.current.id
}

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:On by default; a deployment that is only tried out may save the dollars.
  name = local.name

  setting {
    name  = "containerInsights"
    value = var.container_insights ? "enabled" : "disabled"
  }
}

resource "aws_cloudwatch_log_group" "server" {
  #checkov:skip=CKV_AWS_338:A year is the default; a shorter time is a choice of the deployment, and what must be kept is in the audit log.
  name              = "/${var.application}/${var.environment}/rpc-server"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_key_arn
}
