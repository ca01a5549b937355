mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:111122223333:airunner-prod-alarms" }
  }
}

variables {
  application              = "airunner"
  environment              = "prod"
  kms_key_arn              = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
  load_balancer_arn_suffix = "net/airunner-prod/0123456789abcdef"
  target_group_arn_suffix  = "targetgroup/airunner-prod-mtls/0123456789abcdef"
  cluster_name             = "airunner-prod"
  service_name             = "rpc-server"
  metric_namespace         = "airunner/prod"
  table_names              = ["airunner_prod_principals", "airunner_prod_certificates", "airunner_prod_control"]
}

run "every_alarm_tells_somebody" {
  assert {
    condition = alltrue([for alarm in concat(
      [
        aws_cloudwatch_metric_alarm.unhealthy_targets,
        aws_cloudwatch_metric_alarm.no_healthy_target,
        aws_cloudwatch_metric_alarm.server_errors,
        aws_cloudwatch_metric_alarm.failed_requests,
        aws_cloudwatch_metric_alarm.feed_age,
        aws_cloudwatch_metric_alarm.refused_secrets,
        aws_cloudwatch_metric_alarm.trust_changed,
        aws_cloudwatch_metric_alarm.denied_admissions,
        aws_cloudwatch_metric_alarm.crl_age,
      ],
      values(aws_cloudwatch_metric_alarm.failure),
      values(aws_cloudwatch_metric_alarm.certificate_expiry),
      values(aws_cloudwatch_metric_alarm.store_throttles),
    ) : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn]) && length(alarm.alarm_description) > 0])
    error_message = "An alarm tells nobody, or does not say what to do."
  }
}

run "a_service_without_any_target_is_noticed" {
  assert {
    # Without a registered target the balancer reports no HealthyHostCount at all.
    condition     = aws_cloudwatch_metric_alarm.no_healthy_target.treat_missing_data == "breaching"
    error_message = "A service without a target would pass for healthy."
  }
}

run "one_change_of_trust_is_noticed" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.trust_changed.metric_name == "TrustChanges" && aws_cloudwatch_metric_alarm.trust_changed.threshold == 0
    error_message = "Somebody can change what is trusted unnoticed."
  }
}

run "certificates_are_announced_three_times" {
  assert {
    condition     = toset([for alarm in aws_cloudwatch_metric_alarm.certificate_expiry : alarm.threshold]) == toset([7, 14, 30])
    error_message = "The end of a certificate is not announced 30, 14 and 7 days before."
  }
  assert {
    # A certificate whose servers have stopped telling has not become longer.
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.certificate_expiry : alarm.treat_missing_data == "ignore"])
    error_message = "Silence would end the alarm."
  }
}

run "revocations_that_come_late_are_noticed" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.feed_age.threshold == 30 && aws_cloudwatch_metric_alarm.feed_age.statistic == "Maximum"
    error_message = "One server with an old feed must be enough."
  }
}

run "what_relying_parties_and_auditors_miss_is_noticed" {
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.failure : name => alarm.metric_name if alarm.threshold == 0
      } == {
      admission-held    = "HeldAdmissions"
      audit-bucket      = "FailedAuditCopies"
      audit-checkpoints = "FailedAuditCheckpoints"
      truststore        = "FailedTruststores"
    }
    error_message = "A held admission, an unproved audit log or an old truststore goes unnoticed."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.crl_age.metric_name == "CrlAge" && aws_cloudwatch_metric_alarm.crl_age.statistic == "Maximum"
    error_message = "One issuer with an old CRL must be enough."
  }
  assert {
    # Said once for each trouble: a quiet log does not tell that it is over.
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.failure : length(coalesce(alarm.ok_actions, [])) == 0])
    error_message = "Silence would be told as recovery."
  }
}

run "throttles_of_every_table_are_noticed" {
  assert {
    condition = toset([for alarm in aws_cloudwatch_metric_alarm.store_throttles : "${alarm.dimensions.TableName} ${alarm.metric_name}"]) == toset([
      for pair in setproduct(var.table_names, ["ReadThrottleEvents", "WriteThrottleEvents"]) : join(" ", pair)
    ])
    error_message = "A table can be throttled unnoticed."
  }
}

run "alarms_are_encrypted_and_take_nobody_elses" {
  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == var.kms_key_arn
    error_message = "The topic is not encrypted with the customer's key."
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement :
      statement.Condition.StringEquals["aws:SourceAccount"] == "111122223333" if statement.Effect == "Allow"
    ])
    error_message = "Alarms of other accounts could be published."
  }
}

run "an_address_is_subscribed_when_there_is_one" {
  variables {
    email = "oncall@example.com"
  }
  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "oncall@example.com"
    error_message = "The address is not subscribed."
  }
}

run "the_dashboard_can_be_read" {
  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 8
    error_message = "The dashboard has not its eight graphs."
  }
}
