# Secrets without a version: no resource or data source here ever holds a value, so no state and no plan does.

resource "aws_secretsmanager_secret" "ca_key" {
  #checkov:skip=CKV2_AWS_57:the root's key is exchanged by people, with every trust bundle, not by a timer
  name                    = "${local.prefix}/ca-key"
  description             = "Private key of the root, PEM. For the administrator alone."
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret" "issuer_key" {
  #checkov:skip=CKV2_AWS_57:an issuer's key is exchanged by people, in steps that agents follow, not by a timer
  name                    = "${local.prefix}/issuer-key"
  description             = "Private key of the issuer of client certificates, PEM. For the execution role alone."
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret_policy" "ca_key" {
  secret_arn          = aws_secretsmanager_secret.ca_key.arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.written_by_admin_alone, [
      merge(local.allow, { Sid = "ReadByTheAdministrator", Action = local.reading, Principal = { AWS = var.admin_role_arn } }),
      merge(local.deny, {
        Sid       = "ReadByNobodyElse"
        Action    = local.reading
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.admin_role_arn } }
      }),
    ])
  })
}

resource "aws_secretsmanager_secret_policy" "issuer_key" {
  secret_arn          = aws_secretsmanager_secret.issuer_key.arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.written_by_admin_alone, [
      merge(local.allow, { Sid = "ReadByTheExecutionRole", Action = local.reading, Principal = { AWS = var.execution_role_arn } }),
      merge(local.deny, {
        Sid       = "ReadByNobodyElse"
        Action    = local.reading
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.execution_role_arn } }
      }),
    ])
  })
}

# A denial wins over every permission in the account, the root user's too. It does not touch PutResourcePolicy: a role that
# was deleted by mistake must not lock the secret for ever. Whoever may change this policy can change it back, and is seen
# in CloudTrail.
locals {
  allow = { Effect = "Allow", Resource = "*" }
  deny  = { Effect = "Deny", Resource = "*", Principal = "*" }

  reading = ["secretsmanager:GetSecretValue"]
  # A replica in another region has no policy, and an older version can be brought back: both count as writing.
  writing = [
    "secretsmanager:PutSecretValue",
    "secretsmanager:ReplicateSecretToRegions",
    "secretsmanager:RotateSecret",
    "secretsmanager:UpdateSecret",
    "secretsmanager:UpdateSecretVersionStage",
  ]

  written_by_admin_alone = [
    merge(local.allow, {
      Sid       = "WrittenByTheAdministrator"
      Action    = ["secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"]
      Principal = { AWS = var.admin_role_arn }
    }),
    merge(local.deny, {
      Sid    = "WrittenByNobodyElse"
      Action = local.writing
      # aws:PrincipalArn of a session is its role's ARN, so one line covers role and sessions. Where nobody is named,
      # as with an anonymous call, "not equal" holds and the denial too.
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.admin_role_arn } }
    }),
  ]
}
