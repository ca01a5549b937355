# Nothing scrapes the servers: their log says it all, one JSON line each, and CloudWatch counts from it.

locals {
  metric_namespace = "${var.application}/${var.environment}"

  # Each process writes its vital signs once a minute.
  vital_signs = {
    FeedAge             = { field = "feed_age_seconds", unit = "Seconds" }
    Connections         = { field = "connections", unit = "Count" }
    ServerErrors        = { field = "responses_5xx", unit = "Count" }
    CertificateDaysLeft = { field = "certificate_days_left", unit = "None" }
    CrlAge              = { field = "crl_age_seconds", unit = "Seconds" }
  }

  counted_events = {
    DeniedAdmissions       = "admission_denied"
    RefusedJoins           = "join_refused"
    FailedRequests         = "request_failed"
    RefusedSecrets         = "secrets_refused"
    TrustChanges           = "trust_changed"
    HeldAdmissions         = "admission_held"
    FailedAuditCheckpoints = "audit_checkpoint_failed"
    FailedAuditCopies      = "audit_bucket_failed"
    FailedTruststores      = "truststore_failed"
  }
}

resource "aws_cloudwatch_log_metric_filter" "vital_sign" {
  for_each = local.vital_signs

  name           = "${local.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.server.name
  pattern        = "{ $.event = \"vitals\" }"

  metric_transformation {
    namespace = local.metric_namespace
    name      = each.key
    value     = "$.${each.value.field}"
    unit      = each.value.unit
  }
}

resource "aws_cloudwatch_log_metric_filter" "event" {
  for_each = local.counted_events

  name           = "${local.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.server.name
  pattern        = "{ $.event = \"${each.value}\" }"

  metric_transformation {
    namespace     = local.metric_namespace
    name          = each.key
    value         = "1"
    default_value = "0"
    unit          = "Count"
  }
}
