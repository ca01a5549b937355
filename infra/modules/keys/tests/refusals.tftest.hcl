mock_provider "aws" {}

variables {
  application    = "airunner"
  environment    = "prod"
  admin_role_arn = "arn:aws:iam::111122223333:role/admin"
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

run "refuses_a_session_for_an_administrator" {
  command = plan
  variables {
    admin_role_arn = "arn:aws:sts::111122223333:assumed-role/admin/me"
  }
  expect_failures = [var.admin_role_arn]
}

run "refuses_a_user_as_signer" {
  command = plan
  variables {
    issuer_signer_arns = ["arn:aws:iam::111122223333:user/me"]
  }
  expect_failures = [var.issuer_signer_arns]
}

run "refuses_keys_that_are_gone_in_a_day" {
  command = plan
  variables {
    deletion_window_days = 1
  }
  expect_failures = [var.deletion_window_days]
}

run "refuses_a_window_that_kms_does_not_know" {
  command = plan
  variables {
    deletion_window_days = 31
  }
  expect_failures = [var.deletion_window_days]
}

run "refuses_an_audit_signer_that_is_no_role" {
  command = plan
  variables {
    audit_signer_arns = ["arn:aws:iam::111122223333:user/me"]
  }
  expect_failures = [var.audit_signer_arns]
}

run "refuses_no_issuer_key" {
  command = plan
  variables {
    issuer_keys = []
  }
  expect_failures = [var.issuer_keys]
}

run "refuses_an_issuer_key_named_twice" {
  command = plan
  variables {
    issuer_keys = ["1", "1"]
  }
  expect_failures = [var.issuer_keys]
}
