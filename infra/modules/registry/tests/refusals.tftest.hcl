mock_provider "aws" {}

variables {
  application = "airunner"
  environment = "prod"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
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

run "refuses_tables_without_a_customer_key" {
  command = plan
  variables {
    kms_key_arn = "alias/aws/dynamodb"
  }
  expect_failures = [var.kms_key_arn]
}

run "refuses_tables_that_cannot_be_restored" {
  command = plan
  variables {
    recovery_days = 0
  }
  expect_failures = [var.recovery_days]
}

run "refuses_a_recovery_that_aws_does_not_keep" {
  command = plan
  variables {
    recovery_days = 36
  }
  expect_failures = [var.recovery_days]
}
