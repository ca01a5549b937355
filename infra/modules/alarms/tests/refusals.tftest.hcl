mock_provider "aws" {}

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

run "refuses_an_application_with_capitals" {
  command = plan
  variables {
    application = "Airunner"
  }
  expect_failures = [var.application]
}

run "refuses_a_name_that_ends_with_a_hyphen" {
  command = plan
  variables {
    application = "airunner-"
  }
  expect_failures = [var.application]
}

run "refuses_an_environment_with_a_hyphen" {
  command = plan
  variables {
    environment = "pre-prod"
  }
  expect_failures = [var.environment]
}

run "refuses_the_key_of_aws_for_the_topic" {
  command = plan
  variables {
    kms_key_arn = "alias/aws/sns"
  }
  expect_failures = [var.kms_key_arn]
}

run "refuses_a_name_for_an_address" {
  command = plan
  variables {
    email = "oncall"
  }
  expect_failures = [var.email]
}

run "refuses_an_application_balancer" {
  command = plan
  variables {
    load_balancer_arn_suffix = "app/airunner-prod/0123456789abcdef"
  }
  expect_failures = [var.load_balancer_arn_suffix]
}

run "refuses_a_target_group_by_arn" {
  command = plan
  variables {
    target_group_arn_suffix = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/airunner-prod-mtls/0123456789abcdef"
  }
  expect_failures = [var.target_group_arn_suffix]
}

run "refuses_a_cluster_by_arn" {
  command = plan
  variables {
    cluster_name = "arn:aws:ecs:us-east-1:111122223333:cluster/airunner-prod"
  }
  expect_failures = [var.cluster_name]
}

run "refuses_a_service_by_arn" {
  command = plan
  variables {
    service_name = "arn:aws:ecs:us-east-1:111122223333:service/airunner-prod/rpc-server"
  }
  expect_failures = [var.service_name]
}

run "refuses_two_tables" {
  command = plan
  variables {
    table_names = ["airunner_prod_principals", "airunner_prod_certificates"]
  }
  expect_failures = [var.table_names]
}

run "refuses_a_namespace_of_aws" {
  command = plan
  variables {
    metric_namespace = "AWS/ECS"
  }
  expect_failures = [var.metric_namespace]
}

run "refuses_a_threshold_that_is_never_reached" {
  command = plan
  variables {
    denied_admissions_per_5_minutes = 501
  }
  expect_failures = [var.denied_admissions_per_5_minutes]
}

run "refuses_an_alarm_at_no_error" {
  command = plan
  variables {
    server_errors_per_5_minutes = 0
  }
  expect_failures = [var.server_errors_per_5_minutes]
}
