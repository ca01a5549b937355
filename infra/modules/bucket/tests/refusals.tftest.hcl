mock_provider "aws" {}

variables {
  application     = "airunner"
  environment     = "prod"
  purpose         = "audit"
  writer_role_arn = "arn:aws:iam::111122223333:role/airunner-prod-task"
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

run "refuses_a_purpose_with_a_capital" {
  command = plan
  variables {
    purpose = "Audit"
  }
  expect_failures = [var.purpose]
}

run "refuses_a_user_as_writer" {
  command = plan
  variables {
    writer_role_arn = "arn:aws:iam::111122223333:user/me"
  }
  expect_failures = [var.writer_role_arn]
}

run "refuses_a_lock_of_no_days" {
  command = plan
  variables {
    lock_days = 0
  }
  expect_failures = [var.lock_days]
}

run "refuses_a_lock_of_another_mode" {
  command = plan
  variables {
    lock_mode = "compliance"
  }
  expect_failures = [var.lock_mode]
}
