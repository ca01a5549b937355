mock_provider "aws" {}

variables {
  application        = "airunner"
  environment        = "prod"
  kms_key_arn        = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
  admin_role_arn     = "arn:aws:iam::111122223333:role/admin"
  execution_role_arn = "arn:aws:iam::111122223333:role/airunner-prod-execution"
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

run "refuses_secrets_without_a_customer_key" {
  command = plan
  variables {
    kms_key_arn = "alias/aws/secretsmanager"
  }
  expect_failures = [var.kms_key_arn]
}

run "refuses_a_session_for_an_administrator" {
  command = plan
  variables {
    admin_role_arn = "arn:aws:sts::111122223333:assumed-role/admin/me"
  }
  expect_failures = [var.admin_role_arn]
}

run "refuses_an_execution_role_by_name" {
  command = plan
  variables {
    execution_role_arn = "airunner-prod-execution"
  }
  expect_failures = [var.execution_role_arn]
}

run "refuses_tasks_that_run_as_the_administrator" {
  command = plan
  variables {
    execution_role_arn = "arn:aws:iam::111122223333:role/admin"
  }
  expect_failures = [var.execution_role_arn]
}

run "refuses_a_window_that_aws_does_not_know" {
  command = plan
  variables {
    recovery_window_days = 3
  }
  expect_failures = [var.recovery_window_days]
}
