mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::bucket" }
  }
}

variables {
  application     = "airunner"
  environment     = "prod"
  purpose         = "audit"
  writer_role_arn = "arn:aws:iam::111122223333:role/airunner-prod-task"
}

run "the_bucket_is_private_versioned_and_encrypted" {
  assert {
    condition     = aws_s3_bucket.this.bucket == "airunner-prod-audit-111122223333" && !aws_s3_bucket.this.force_destroy
    error_message = "The bucket has another name, or is emptied when it is destroyed."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets,
      aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled",
      one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256",
    ])
    error_message = "The bucket can be made public, forgets, or is not encrypted."
  }
  assert {
    condition     = !aws_s3_bucket.this.object_lock_enabled && length(aws_s3_bucket_object_lock_configuration.this) == 0
    error_message = "A lock nobody asked for."
  }
}

run "nobody_but_the_server_writes_and_only_over_tls" {
  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement : statement.Condition.ArnNotEquals["aws:PrincipalArn"]
      if statement.Effect == "Deny" && contains(flatten([statement.Action]), "s3:PutObject")
    ] == [[var.writer_role_arn]]
    error_message = "Somebody besides the servers may write."
  }
  assert {
    condition     = length([for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement : statement if try(statement.Condition.Bool["aws:SecureTransport"] == "false" && statement.Effect == "Deny", false)]) == 1
    error_message = "The bucket answers without TLS."
  }
  assert {
    condition     = alltrue([for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement : statement.Effect == "Deny"])
    error_message = "The bucket's policy gives somebody a right."
  }
}

run "a_locked_object_stays" {
  variables {
    lock_days = 400
    lock_mode = "COMPLIANCE"
  }
  assert {
    condition     = aws_s3_bucket.this.object_lock_enabled && aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].mode == "COMPLIANCE" && aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].days == 400
    error_message = "What proves the audit log can be deleted."
  }
}
