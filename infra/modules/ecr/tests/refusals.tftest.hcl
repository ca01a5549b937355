mock_provider "aws" {}

variables {
  application = "airunner"
  environment = "prod"
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

run "refuses_an_alias_for_a_key" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:111122223333:alias/mine"
  }
  expect_failures = [var.kms_key_arn]
}

run "refuses_to_keep_too_little_to_roll_back" {
  command = plan
  variables {
    kept_images = 1
  }
  expect_failures = [var.kept_images]
}
