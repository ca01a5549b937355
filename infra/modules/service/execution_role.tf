# What ECS does before the program starts: pull this image, read these parameters and secrets, write this log.

locals {
  execution_statements = concat(
    [
      {
        # Names no resource: AWS has none for it.
        Sid      = "Registry"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"]
      },
      {
        Sid      = "Image"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = [var.ecr_repository_arn]
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.server.arn}:log-stream:task/rpc-server/*"]
      },
      {
        Sid      = "Parameters"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = values(var.parameter_arns)
      },
      {
        Sid      = "ServerKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.secrets_key_arn]
        Condition = {
          StringEquals = {
            "kms:ViaService"                      = "ssm.${local.region}.amazonaws.com"
            "kms:EncryptionContext:PARAMETER_ARN" = var.parameter_arns["server-key"]
          }
        }
      },
    ],
    [for statement in [
      {
        Sid      = "IssuerKey"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [var.issuer_key_secret_arn]
      },
      {
        Sid      = "IssuerKeyDecryption"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.secrets_key_arn]
        Condition = {
          StringEquals = {
            "kms:ViaService"                  = "secretsmanager.${local.region}.amazonaws.com"
            "kms:EncryptionContext:SecretARN" = var.issuer_key_secret_arn
          }
        }
      },
    ] : statement if !var.issuer_key_in_kms],
  )
}

resource "aws_iam_role" "execution" {
  name               = "${local.name}-execution"
  description        = "What ECS does to start rpc-server of ${local.name}"
  assume_role_policy = local.assume_by_ecs
}

resource "aws_iam_role_policy" "execution" {
  #checkov:skip=CKV_AWS_355:ecr:GetAuthorizationToken knows no resource; every other statement names its own.
  name   = "start-rpc-server"
  role   = aws_iam_role.execution.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.execution_statements })
}
