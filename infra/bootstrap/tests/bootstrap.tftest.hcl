mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555" }
  }
}

variables {
  application = "airunner"
  region      = "us-east-1"
}

run "refuses_a_name_that_ends_with_a_hyphen" {
  command = plan
  variables {
    application = "airunner-"
  }
  expect_failures = [var.application]
}

run "refuses_a_zone_for_a_region" {
  command = plan
  variables {
    region = "us-east-1a"
  }
  expect_failures = [var.region]
}

run "refuses_to_forget_a_state_at_once" {
  command = plan
  variables {
    version_days = 0
  }
  expect_failures = [var.version_days]
}

run "the_bucket_is_closed_to_the_public" {
  command = plan
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.state.block_public_acls, aws_s3_bucket_public_access_block.state.block_public_policy,
      aws_s3_bucket_public_access_block.state.ignore_public_acls, aws_s3_bucket_public_access_block.state.restrict_public_buckets,
    ])
    error_message = "The bucket can be opened to the public."
  }
  assert {
    condition     = aws_s3_bucket_ownership_controls.state.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "An object can belong to somebody else."
  }
}

run "a_state_that_was_replaced_can_be_brought_back" {
  command = plan
  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "A state that is overwritten is lost."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.state.rule[0].noncurrent_version_expiration[0].noncurrent_days == 90
    error_message = "A replaced state is not kept for 90 days."
  }
}

run "states_are_encrypted_and_travel_over_tls_alone" {
  command = plan
  override_resource {
    target          = aws_s3_bucket.state
    override_during = plan
    values          = { id = "airunner-terraform-state-111122223333", arn = "arn:aws:s3:::airunner-terraform-state-111122223333" }
  }
  override_resource {
    target          = aws_kms_key.state
    override_during = plan
    values          = { arn = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555" }
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.state.rule).apply_server_side_encryption_by_default).kms_master_key_id == aws_kms_key.state.arn
    error_message = "States are not encrypted with the key made for them."
  }
  assert {
    condition = contains([
      for statement in jsondecode(aws_s3_bucket_policy.state.policy).Statement : try(statement.Condition.Bool["aws:SecureTransport"], "") if statement.Effect == "Deny"
    ], "false")
    error_message = "A state can be read without TLS."
  }
  assert {
    condition     = strcontains(output.backend, "use_lockfile = true") && strcontains(output.backend, "encrypt      = true")
    error_message = "The backend is without lock or encryption."
  }
}
