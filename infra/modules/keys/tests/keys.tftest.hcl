mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
}

variables {
  application    = "airunner"
  environment    = "prod"
  admin_role_arn = "arn:aws:iam::111122223333:role/admin"
}

run "keys_of_data_rotate" {
  assert {
    condition = alltrue([
      for key in [aws_kms_key.tables, aws_kms_key.secrets, aws_kms_key.logs, aws_kms_key.alerts] :
      key.enable_key_rotation && key.deletion_window_in_days == 30
    ])
    error_message = "A key does not rotate, or can be gone sooner than in 30 days."
  }
}

run "issuer_signs_with_p256_and_nothing_else" {
  assert {
    condition     = aws_kms_key.issuer["1"].customer_master_key_spec == "ECC_NIST_P256" && aws_kms_key.issuer["1"].key_usage == "SIGN_VERIFY"
    error_message = "The issuer's key is not of the kind that rpc-server takes."
  }
  assert {
    condition     = aws_kms_alias.issuer.name == "alias/airunner-prod-issuer"
    error_message = "The issuer's key is not found by its name."
  }
  assert {
    condition     = length(aws_kms_key.server_issuer) == 0 && output.server_issuer_key_arn == null
    error_message = "A key for server certificates is made that nobody asked for."
  }
}

run "the_servers_issuer_has_a_key_of_its_own" {
  variables {
    server_issuer = true
  }
  assert {
    condition     = !contains(output.issuer_key_arns, output.server_issuer_key_arn) && aws_kms_key.server_issuer[0].customer_master_key_spec == "ECC_NIST_P256"
    error_message = "A stolen issuer of clients would sign servers."
  }
}

run "no_key_serves_everybody" {
  variables {
    server_issuer = true
  }
  assert {
    condition = alltrue(flatten([
      for key in concat([aws_kms_key.tables, aws_kms_key.secrets, aws_kms_key.logs, aws_kms_key.alerts, aws_kms_key.issuer["1"], aws_kms_key.audit], aws_kms_key.server_issuer) : [
        for statement in jsondecode(key.policy).Statement :
        statement.Effect == "Deny" || (statement.Principal != "*" && try(statement.Principal.AWS, "") != "*" && !contains(flatten([statement.Action]), "kms:*"))
      ]
    ]))
    error_message = "A key policy allows something to everybody, or everything to somebody."
  }
}

run "data_is_decrypted_through_its_service_alone" {
  assert {
    condition = alltrue(flatten([
      for key in [aws_kms_key.tables, aws_kms_key.secrets, aws_kms_key.alerts] : [
        for statement in jsondecode(key.policy).Statement :
        contains(keys(statement.Principal), "Service") || can(statement.Condition.StringEquals["kms:ViaService"])
        if contains(flatten([statement.Action]), "kms:Decrypt")
      ]
    ]))
    error_message = "Somebody may decrypt with a key of data by calling KMS himself."
  }
}

run "the_administrator_can_bootstrap" {
  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.tables.policy).Statement : [contains(statement.Action, "kms:Decrypt"), statement.Condition.StringEquals["kms:ViaService"]]
      if try(statement.Principal.AWS, "") == var.admin_role_arn
    ] == [[true, ["dynamodb.us-east-1.amazonaws.com"]]]
    error_message = "The administrator cannot write the first admin's row, or uses the tables' key otherwise."
  }
  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.secrets.policy).Statement :
      [length(setsubtract(["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*"], statement.Action)), toset(statement.Condition.StringEquals["kms:ViaService"])]
      if try(statement.Principal.AWS, "") == var.admin_role_arn
    ] == [[0, toset(["secretsmanager.us-east-1.amazonaws.com", "ssm.us-east-1.amazonaws.com"])]]
    error_message = "The administrator cannot write secrets and secure parameters, or uses their key otherwise."
  }
}

run "logs_key_serves_log_groups_of_this_account" {
  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.logs.policy).Statement : statement.Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"]
      if contains(flatten([statement.Action]), "kms:Decrypt")
    ] == ["arn:aws:logs:us-east-1:111122223333:log-group:*"]
    error_message = "The service for logs may use the key for others, or somebody besides it may use the key."
  }
}

run "alarms_may_use_the_key_of_alerts" {
  assert {
    condition = length([
      for statement in jsondecode(aws_kms_key.alerts.policy).Statement : statement
      if try(statement.Principal.Service == "cloudwatch.amazonaws.com" && statement.Condition.StringEquals["aws:SourceAccount"] == "111122223333", false)
    ]) == 1
    error_message = "An alarm would not reach an encrypted topic."
  }
}

run "nobody_but_the_signers_signs" {
  variables {
    issuer_signer_arns = ["arn:aws:iam::111122223333:role/airunner-prod-task"]
  }
  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.issuer["1"].policy).Statement : statement.Condition.ArnNotEquals["aws:PrincipalArn"]
      if statement.Effect == "Deny" && contains(statement.Action, "kms:Sign")
    ] == [["arn:aws:iam::111122223333:role/airunner-prod-task"]]
    error_message = "Somebody besides the signers may sign with the issuer's key."
  }
}

run "the_next_issuer_has_a_key_beside_the_first" {
  variables {
    issuer_keys = ["1", "2"]
  }
  assert {
    condition     = length(output.issuer_key_arns) == 2 && aws_kms_alias.issuer.target_key_id == aws_kms_key.issuer["1"].key_id
    error_message = "A rotation would replace the key that signs, or its name."
  }
}

run "the_issuer_does_not_sign_the_audit_log" {
  variables {
    issuer_signer_arns = ["arn:aws:iam::111122223333:role/airunner-prod-task", "arn:aws:iam::111122223333:role/admin"]
    audit_signer_arns  = ["arn:aws:iam::111122223333:role/airunner-prod-task"]
  }
  assert {
    condition     = aws_kms_key.audit.customer_master_key_spec == "ECC_NIST_P256" && aws_kms_key.audit.key_usage == "SIGN_VERIFY" && aws_kms_alias.audit.name == "alias/airunner-prod-audit"
    error_message = "The key of the audit log is not of the kind that rpc-server takes."
  }
  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.audit.policy).Statement : statement.Condition.ArnNotEquals["aws:PrincipalArn"]
      if statement.Effect == "Deny" && contains(statement.Action, "kms:Sign")
    ] == [["arn:aws:iam::111122223333:role/airunner-prod-task"]]
    error_message = "Somebody besides the servers may sign checkpoints of the audit log."
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.audit.policy).Statement : !contains(statement.Action, "kms:Sign")
      if try(statement.Principal.AWS, "") == var.admin_role_arn
    ])
    error_message = "The administrator may sign checkpoints of the audit log."
  }
}
