# One key for each kind of data, so that who may read logs cannot read secrets by it.

resource "aws_kms_key" "tables" {
  description             = "${local.prefix}: the registry's tables"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days
  policy                  = jsonencode({ Version = "2012-10-17", Statement = local.policies.tables })
}

resource "aws_kms_key" "secrets" {
  description             = "${local.prefix}: secrets and secure parameters"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days
  policy                  = jsonencode({ Version = "2012-10-17", Statement = local.policies.secrets })
}

resource "aws_kms_key" "logs" {
  description             = "${local.prefix}: logs"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days
  policy                  = jsonencode({ Version = "2012-10-17", Statement = local.policies.logs })
}

resource "aws_kms_key" "alerts" {
  description             = "${local.prefix}: alarms on their way to people"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days
  policy                  = jsonencode({ Version = "2012-10-17", Statement = local.policies.alerts })
}

resource "aws_kms_alias" "encryption" {
  for_each = {
    tables  = aws_kms_key.tables.key_id
    secrets = aws_kms_key.secrets.key_id
    logs    = aws_kms_key.logs.key_id
    alerts  = aws_kms_key.alerts.key_id
  }

  name          = "alias/${local.prefix}-${each.key}"
  target_key_id = each.value
}

locals {
  prefix = "${var.application}-${var.environment}"
}
