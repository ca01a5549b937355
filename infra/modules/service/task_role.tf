# What the program itself may do: each action is one that src/ calls, on these tables and keys. A test compares the two.

data "aws_caller_identity" "current" {}

locals {
  assume_by_ecs = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # Nobody else's tasks (confused deputy).
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })

  task_statements = concat(
    [
      {
        Sid      = "Principals"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        Resource = [var.tables.principals.arn]
      },
      {
        Sid      = "Certificates"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        Resource = [var.tables.certificates.arn]
      },
      {
        Sid    = "Control"
        Effect = "Allow"
        Action = [
          "dynamodb:BatchGetItem",
          "dynamodb:ConditionCheckItem",
          "dynamodb:DeleteItem",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:Query",
          "dynamodb:UpdateItem",
        ]
        Resource = [var.tables.control.arn]
      },
      {
        # Bootstrap believes this record: which root is this deployment's, and which values may be overwritten. A task that was
        # broken into must not write it, nor take the lease of the administrator's run.
        Sid       = "BootstrapIsTheAdministrators"
        Effect    = "Deny"
        Action    = ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        Resource  = [var.tables.control.arn]
        Condition = { "ForAnyValue:StringEquals" = { "dynamodb:LeadingKeys" = ["BOOTSTRAP", "LEASE#bootstrap"] } }
      },
      {
        Sid    = "Listings"
        Effect = "Allow"
        Action = ["dynamodb:Query"]
        # By fingerprint (GSI2 of certificates) only operators look.
        Resource = [
          "${var.tables.principals.arn}/index/GSI1",
          "${var.tables.principals.arn}/index/GSI2",
          "${var.tables.certificates.arn}/index/GSI1",
          "${var.tables.certificates.arn}/index/GSI3",
        ]
      },
      {
        # DynamoDB opens the tables' key in the name of who asks.
        Sid       = "TablesKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [var.tables_key_arn]
        Condition = { StringEquals = { "kms:ViaService" = "dynamodb.${local.region}.amazonaws.com" } }
      },
      {
        Sid      = "Parameters"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = values(var.parameter_arns)
      },
      {
        Sid      = "StoreEpoch"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters", "ssm:PutParameter"]
        Resource = [var.store_epoch_parameter_arn]
      },
      {
        # A restored table is another one, by its id.
        Sid      = "WhichTables"
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeTable"]
        Resource = [var.tables.principals.arn, var.tables.certificates.arn, var.tables.control.arn]
      },
      {
        Sid      = "AuditPublicKey"
        Effect   = "Allow"
        Action   = ["kms:GetPublicKey"]
        Resource = [var.audit_key_arn]
      },
      {
        Sid       = "AuditSignature"
        Effect    = "Allow"
        Action    = ["kms:Sign"]
        Resource  = [var.audit_key_arn]
        Condition = { StringEquals = { "kms:SigningAlgorithm" = "ECDSA_SHA_256", "kms:MessageType" = "DIGEST" } }
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
        Sid      = "IssuerPublicKey"
        Effect   = "Allow"
        Action   = ["kms:GetPublicKey"]
        Resource = var.issuer_key_arns
      },
      {
        Sid       = "IssuerSignature"
        Effect    = "Allow"
        Action    = ["kms:Sign"]
        Resource  = var.issuer_key_arns
        Condition = { StringEquals = { "kms:SigningAlgorithm" = "ECDSA_SHA_256", "kms:MessageType" = "DIGEST" } }
      },
    ] : statement if var.issuer_key_in_kms],
    var.truststore_bucket == null ? [] : [{
      Sid      = "Truststore"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = ["${var.truststore_bucket.arn}/truststore.pem"]
    }],
    # Each checkpoint is one more version of this object; those that are there are locked.
    var.audit_bucket == null ? [] : [{
      Sid      = "AuditCheckpoints"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:PutObjectRetention"]
      Resource = ["${var.audit_bucket.arn}/audit-checkpoint.json"]
    }],
  )
}

resource "aws_iam_role" "task" {
  name               = "${local.name}-task"
  description        = "What rpc-server of ${local.name} may do"
  assume_role_policy = local.assume_by_ecs
}

resource "aws_iam_role_policy" "task" {
  name   = "rpc-server"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.task_statements })
}
