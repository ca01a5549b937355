mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_resource "aws_dynamodb_table" {
    defaults = { arn = "arn:aws:dynamodb:us-east-1:111122223333:table/mocked" }
  }
}

variables {
  application = "airunner"
  environment = "prod"
  kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
}

run "refuses_a_public_table" {
  assert {
    condition = alltrue(flatten([
      for policy in aws_dynamodb_resource_policy.perimeter : [
        for statement in jsondecode(policy.policy).Statement : statement.Effect == "Deny"
      ]
    ]))
    error_message = "A table policy grants something: it may only refuse."
  }
  assert {
    condition = alltrue([
      for policy in aws_dynamodb_resource_policy.perimeter : contains(
        [for statement in jsondecode(policy.policy).Statement : try(statement.Condition.StringNotEquals["aws:PrincipalAccount"], "")],
        "111122223333",
      )
    ])
    error_message = "A table does not refuse other accounts."
  }
  assert {
    condition     = length(aws_dynamodb_resource_policy.perimeter) == 3
    error_message = "Not every table has its policy."
  }
}

run "every_table_has_a_customer_key" {
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.principals, aws_dynamodb_table.certificates, aws_dynamodb_table.control] :
      table.server_side_encryption[0].enabled && table.server_side_encryption[0].kms_key_arn == var.kms_key_arn
    ])
    error_message = "A table is not encrypted with the key that was given."
  }
}

run "every_table_can_be_restored_and_not_deleted" {
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.principals, aws_dynamodb_table.certificates, aws_dynamodb_table.control] :
      table.point_in_time_recovery[0].enabled && table.point_in_time_recovery[0].recovery_period_in_days == 35 && table.deletion_protection_enabled
    ])
    error_message = "A table has no point-in-time recovery of 35 days, or no deletion protection."
  }
}

run "every_table_is_paid_by_request" {
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.principals, aws_dynamodb_table.certificates, aws_dynamodb_table.control] :
      table.billing_mode == "PAY_PER_REQUEST"
    ])
    error_message = "A table has a capacity that a burst can exhaust."
  }
}

run "principals_never_expire_by_ttl" {
  assert {
    condition     = length(aws_dynamodb_table.principals.ttl) == 0 || try(aws_dynamodb_table.principals.ttl[0].enabled, false) != true
    error_message = "DynamoDB would delete principals."
  }
}

run "tables_are_named_as_bootstrap_expects" {
  assert {
    condition = [output.principal_table_name, output.cert_table_name, output.control_table_name] == [
      "airunner_prod_principals", "airunner_prod_certificates", "airunner_prod_control"
    ]
    error_message = "The names are not the defaults of `airunner bootstrap`."
  }
}

run "indexes_are_named_one_by_one" {
  assert {
    condition     = length(output.index_arns) == 5 && alltrue([for arn in output.index_arns : can(regex("/index/GSI[123]$", arn))])
    error_message = "index_arns does not hold the five indexes, or holds a wildcard."
  }
}

run "refuses_plain_http" {
  assert {
    condition = alltrue([
      for policy in aws_dynamodb_resource_policy.perimeter : contains(
        [for statement in jsondecode(policy.policy).Statement : try(statement.Condition.Bool["aws:SecureTransport"], "")], "false",
      )
    ])
    error_message = "A table answers requests without TLS."
  }
}
