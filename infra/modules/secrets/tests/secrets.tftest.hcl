mock_provider "aws" {
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:mocked" }
  }
}

variables {
  application        = "airunner"
  environment        = "prod"
  kms_key_arn        = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
  admin_role_arn     = "arn:aws:iam::111122223333:role/admin"
  execution_role_arn = "arn:aws:iam::111122223333:role/airunner-prod-execution"
}

run "names_are_those_that_rpc_server_reads" {
  assert {
    condition = toset(concat([for parameter in aws_ssm_parameter.public : parameter.name], [aws_ssm_parameter.server_key.name])) == toset([
      "/airunner/prod/ca-cert", "/airunner/prod/server-cert", "/airunner/prod/issuer-cert", "/airunner/prod/server-key"
    ])
    error_message = "A parameter has another name than rpc-server and bootstrap use."
  }
  assert {
    condition     = output.parameter_prefix == "/airunner/prod" && aws_secretsmanager_secret.ca_key.name == "/airunner/prod/ca-key" && aws_secretsmanager_secret.issuer_key.name == "/airunner/prod/issuer-key"
    error_message = "A secret has another name than bootstrap uses."
  }
  assert {
    condition     = toset(keys(output.parameter_arns)) == toset(["ca-cert", "server-cert", "issuer-cert", "server-key"])
    error_message = "parameter_arns does not name every parameter."
  }
}

run "server_key_value_never_enters_the_state" {
  assert {
    condition     = aws_ssm_parameter.server_key.type == "SecureString" && aws_ssm_parameter.server_key.key_id == var.kms_key_arn
    error_message = "The server's key is not encrypted with the customer's key."
  }
  assert {
    condition     = aws_ssm_parameter.server_key.value_wo == null && aws_ssm_parameter.server_key.value_wo_version == 1
    error_message = "The server's key is not write-only, or its version moves and overwrites what bootstrap has put there."
  }
}

run "ca_key_is_for_the_admin_alone" {
  assert {
    condition = [
      for statement in jsondecode(aws_secretsmanager_secret_policy.ca_key.policy).Statement : statement.Principal.AWS
      if statement.Effect == "Allow" && contains(statement.Action, "secretsmanager:GetSecretValue")
    ] == ["arn:aws:iam::111122223333:role/admin"]
    error_message = "Somebody besides the administrator is let in."
  }
  assert {
    condition = alltrue([
      for action in ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret", "secretsmanager:ReplicateSecretToRegions"] :
      contains([
        for statement in jsondecode(aws_secretsmanager_secret_policy.ca_key.policy).Statement : statement.Condition.ArnNotEquals["aws:PrincipalArn"]
        if statement.Effect == "Deny" && statement.Principal == "*" && contains(statement.Action, action)
      ], "arn:aws:iam::111122223333:role/admin")
    ])
    error_message = "A policy elsewhere in the account could let somebody besides the administrator read or write."
  }
}

run "issuer_key_is_for_the_execution_role_alone" {
  assert {
    condition = [
      for statement in jsondecode(aws_secretsmanager_secret_policy.issuer_key.policy).Statement : statement.Condition.ArnNotEquals["aws:PrincipalArn"]
      if statement.Effect == "Deny" && contains(statement.Action, "secretsmanager:GetSecretValue")
    ] == ["arn:aws:iam::111122223333:role/airunner-prod-execution"]
    error_message = "Somebody besides the execution role reads the issuer's key."
  }
  assert {
    condition = [
      for statement in jsondecode(aws_secretsmanager_secret_policy.issuer_key.policy).Statement : statement.Condition.ArnNotEquals["aws:PrincipalArn"]
      if statement.Effect == "Deny" && contains(statement.Action, "secretsmanager:PutSecretValue")
    ] == ["arn:aws:iam::111122223333:role/admin"]
    error_message = "Somebody besides the administrator writes the issuer's key."
  }
}

run "a_policy_can_always_be_mended" {
  assert {
    condition = alltrue(flatten([
      for policy in [aws_secretsmanager_secret_policy.ca_key, aws_secretsmanager_secret_policy.issuer_key] : [
        for statement in jsondecode(policy.policy).Statement :
        !anytrue([for action in statement.Action : can(regex("ResourcePolicy|\\*", action))]) if statement.Effect == "Deny"
      ]
    ]))
    error_message = "Should the administrator's role be deleted, the secret is locked for ever."
  }
  assert {
    condition     = aws_secretsmanager_secret_policy.ca_key.block_public_policy && aws_secretsmanager_secret_policy.issuer_key.block_public_policy
    error_message = "A policy that lets everybody in would be taken."
  }
}

run "both_secrets_are_encrypted_with_the_customers_key" {
  assert {
    condition     = aws_secretsmanager_secret.ca_key.kms_key_id == var.kms_key_arn && aws_secretsmanager_secret.issuer_key.kms_key_id == var.kms_key_arn
    error_message = "A secret is encrypted with a key that the whole account may use."
  }
}

# An update of anything would send an empty value with it.
run "the_servers_key_is_never_touched_again" {
  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/99999999-2222-3333-4444-555555555555"
  }
  assert {
    condition     = aws_ssm_parameter.server_key.key_id == "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    error_message = "The parameter was updated, and its value lost."
  }
}
