# Every alarm says in its description what to do. Missing data is no alarm: a service that stands still has none. That it
# should not stand still is what `no_healthy_target` says: without a target, its figure is not 0 but missing.

resource "aws_cloudwatch_metric_alarm" "unhealthy_targets" {
  alarm_name        = "${local.name}-unhealthy-targets"
  alarm_description = "A server does not answer /health. ECS replaces it; if this stays, read the log for why it ends (`server_stopped`, exit code in the stopped task)."

  namespace           = "AWS/NetworkELB"
  metric_name         = "UnHealthyHostCount"
  dimensions          = { LoadBalancer = var.load_balancer_arn_suffix, TargetGroup = var.target_group_arn_suffix }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "no_healthy_target" {
  alarm_name        = "${local.name}-no-healthy-target"
  alarm_description = "No server is healthy: nobody can connect. Right before bootstrap has started the service, and while it is stopped on purpose."

  namespace           = "AWS/NetworkELB"
  metric_name         = "HealthyHostCount"
  dimensions          = { LoadBalancer = var.load_balancer_arn_suffix, TargetGroup = var.target_group_arn_suffix }
  statistic           = "Maximum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 2
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "server_errors" {
  alarm_name        = "${local.name}-5xx"
  alarm_description = "Servers answer 5xx. Look in the log for `store_degraded` (the store), `request_failed` (a fault of ours), and at what /readyz names."

  namespace           = var.metric_namespace
  metric_name         = "ServerErrors"
  statistic           = "Sum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.server_errors_per_5_minutes
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "failed_requests" {
  alarm_name        = "${local.name}-failed-requests"
  alarm_description = "A request ended in a way that nobody foresaw: a fault of the program. The log's `request_failed` has route and stack."

  namespace           = var.metric_namespace
  metric_name         = "FailedRequests"
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "feed_age" {
  alarm_name        = "${local.name}-feed-age"
  alarm_description = "A server has not read the change feed for 30 s, so revocations reach it late and it lets in nobody new. Look for `store_degraded`, throttles, and the way to DynamoDB."

  namespace           = var.metric_namespace
  metric_name         = "FeedAge"
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 30
  period              = 60
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "certificate_expiry" {
  for_each = toset(["30", "14", "7"])

  alarm_name        = "${local.name}-certificate-expires-in-${each.value}-days"
  alarm_description = "A certificate of the servers, their issuer or a root ends in less than ${each.value} days; the log's `vitals` says which. Server: `airunner bootstrap --rotate-server-cert`. Issuer: `airunner bootstrap` again, which certifies its key anew. Root: docs/bootstrap.md."

  namespace           = var.metric_namespace
  metric_name         = "CertificateDaysLeft"
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = tonumber(each.value)
  period              = 3600
  evaluation_periods  = 1
  treat_missing_data  = "ignore"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "refused_secrets" {
  alarm_name        = "${local.name}-refused-secrets"
  alarm_description = "Servers refuse what the Parameter Store gives them and keep the old: the log's `secrets_refused` says why. A restarted task would not come up."

  namespace           = var.metric_namespace
  metric_name         = "RefusedSecrets"
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 600
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "trust_changed" {
  alarm_name        = "${local.name}-trust-changed"
  alarm_description = "Somebody changed what servers trust or show: roots, issuers, or the server's certificate. Expected after `airunner bootstrap` and changes of the authorities; otherwise find in CloudTrail who wrote the parameters (PutParameter). The log's `trust_changed` has bundle and issuers."

  namespace           = var.metric_namespace
  metric_name         = "TrustChanges"
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "denied_admissions" {
  alarm_name        = "${local.name}-denied-admissions"
  alarm_description = "Many peers are refused: somebody tries, or many agents hold certificates that ended. The log's `admission_denied` has code, serial number and address."

  namespace           = var.metric_namespace
  metric_name         = "DeniedAdmissions"
  statistic           = "Sum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.denied_admissions_per_5_minutes
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# Each says so once, or now and then, while it lasts: that it is quiet again does not tell that it is over, so no ok_actions.
locals {
  failures = {
    admission-held = {
      metric = "HeldAdmissions"
      says   = "Servers let nobody in: the tables are not those that they remember, as after a restore. docs/restore.md: `airunner restore confirm`. The log's `admission_held` says why."
    }
    audit-checkpoints = {
      metric = "FailedAuditCheckpoints"
      says   = "Checkpoints of the audit log are not signed: look at the audit key and at the task's right to it. Events are chained all the same; the log's `audit_checkpoint_failed` has the reason."
    }
    audit-bucket = {
      metric = "FailedAuditCopies"
      says   = "The audit bucket does not take checkpoints; they wait in the control table and are carried over later. The log's `audit_bucket_failed` has the reason."
    }
    truststore = {
      metric = "FailedTruststores"
      says   = "truststore.pem in its bucket is not what servers trust: who relies on it may refuse a new issuer, or trust one that was removed. The log's `truststore_failed` has the reason."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "failure" {
  for_each = local.failures

  alarm_name        = "${local.name}-${each.key}"
  alarm_description = each.value.says

  namespace           = var.metric_namespace
  metric_name         = each.value.metric
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "crl_age" {
  alarm_name        = "${local.name}-crl-age"
  alarm_description = "The newest CRL of an issuer is over eight hours old, where servers make one every six: revocations since then reach nobody who relies on it. The log's `crl_failed` has issuer and reason."

  namespace           = var.metric_namespace
  metric_name         = "CrlAge"
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 8 * 3600
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "store_throttles" {
  for_each = { for pair in setproduct(var.table_names, ["Read", "Write"]) : join(" ", pair) => { table = pair[0], kind = pair[1] } }

  alarm_name        = "${local.name}-${lower(each.value.kind)}-throttles-${each.value.table}"
  alarm_description = "DynamoDB holds back calls to ${each.value.table}. On-demand tables double by themselves within half an hour; if it stays, one partition is hot or the account's limit is reached."

  namespace           = "AWS/DynamoDB"
  metric_name         = "${each.value.kind}ThrottleEvents"
  dimensions          = { TableName = each.value.table }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}
