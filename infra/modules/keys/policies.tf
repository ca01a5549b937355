data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

# The account is named so that IAM policies decide; but it is given only what a key is for, and only through the service
# that the key belongs to: a policy of `kms:*` somewhere in the account decrypts nothing by itself.
locals {
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.id
  account    = "arn:${data.aws_partition.current.partition}:iam::${local.account_id}:root"

  # Whoever manages the key can always mend its policy, or nobody could.
  managed_by_account = {
    Sid       = "ManagedByTheAccount"
    Effect    = "Allow"
    Principal = { AWS = local.account }
    Action = [
      "kms:CancelKeyDeletion",
      "kms:CreateAlias",
      "kms:DeleteAlias",
      "kms:DescribeKey",
      "kms:DisableKey",
      "kms:DisableKeyRotation",
      "kms:EnableKey",
      "kms:EnableKeyRotation",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListGrants",
      "kms:ListKeyPolicies",
      "kms:ListKeyRotations",
      "kms:ListResourceTags",
      "kms:PutKeyPolicy",
      "kms:RevokeGrant",
      "kms:RotateKeyOnDemand",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateAlias",
      "kms:UpdateKeyDescription",
    ]
    Resource = "*"
  }

  encrypting = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]

  # The services through which each key is used.
  used_through = {
    tables  = ["dynamodb.${local.region}.amazonaws.com"]
    secrets = ["secretsmanager.${local.region}.amazonaws.com", "ssm.${local.region}.amazonaws.com"]
    alerts  = ["sns.${local.region}.amazonaws.com"]
  }

  used_by_account = {
    for key, services in local.used_through : key => {
      Sid       = "UsedThroughItsService"
      Effect    = "Allow"
      Principal = { AWS = local.account }
      Action    = local.encrypting
      Resource  = "*"
      Condition = { StringEquals = {
        "kms:CallerAccount" = local.account_id
        "kms:ViaService"    = services
      } }
    }
  }

  policies = {
    tables = [local.managed_by_account, local.used_by_account.tables, {
      # A table holds its key by a grant, which DynamoDB asks for in the name of who creates the table.
      Sid       = "GrantedToTheTable"
      Effect    = "Allow"
      Principal = { AWS = local.account }
      Action    = "kms:CreateGrant"
      Resource  = "*"
      Condition = {
        Bool         = { "kms:GrantIsForAWSResource" = "true" }
        StringEquals = { "kms:CallerAccount" = local.account_id, "kms:ViaService" = local.used_through.tables }
      }
      }, {
      # DynamoDB opens the key in the name of who reads and writes rows, and bootstrap writes the first.
      Sid       = "UsedByTheAdministrator"
      Effect    = "Allow"
      Principal = { AWS = var.admin_role_arn }
      Action    = ["kms:Decrypt", "kms:DescribeKey"]
      Resource  = "*"
      Condition = { StringEquals = { "kms:ViaService" = local.used_through.tables } }
    }]

    # Written with kms:Encrypt (a parameter of the standard tier) and kms:GenerateDataKey (a secret).
    secrets = [local.managed_by_account, local.used_by_account.secrets, {
      Sid       = "UsedByTheAdministrator"
      Effect    = "Allow"
      Principal = { AWS = var.admin_role_arn }
      Action    = local.encrypting
      Resource  = "*"
      Condition = { StringEquals = { "kms:ViaService" = local.used_through.secrets } }
    }]

    logs = [local.managed_by_account, {
      Sid       = "UsedForLogGroupsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "logs.${local.region}.amazonaws.com" }
      Action    = local.encrypting
      Resource  = "*"
      Condition = { ArnLike = {
        "kms:EncryptionContext:aws:logs:arn" = "arn:${data.aws_partition.current.partition}:logs:${local.region}:${local.account_id}:log-group:*"
      } }
    }]

    alerts = [local.managed_by_account, local.used_by_account.alerts, {
      # An alarm publishes to an encrypted topic only if CloudWatch itself may use the topic's key.
      Sid       = "UsedByAlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  }

  # Who may sign with a key, whatever policies say elsewhere.
  signers = { issuer = var.issuer_signer_arns, audit = var.audit_signer_arns }

  signing_policies = {
    for key, arns in local.signers : key => concat(
      [
        local.managed_by_account,
        {
          Sid       = "SignsWhereIamAllows"
          Effect    = "Allow"
          Principal = { AWS = local.account }
          Action    = ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign", "kms:Verify"]
          Resource  = "*"
          Condition = { StringEquals = { "kms:CallerAccount" = local.account_id } }
        },
        {
          # The issuer's key is tried once by bootstrap; the audit key's public half is what an export is verified with.
          Sid       = "TriedByTheAdministrator"
          Effect    = "Allow"
          Principal = { AWS = var.admin_role_arn }
          Action    = concat(["kms:DescribeKey", "kms:GetPublicKey", "kms:Verify"], key == "issuer" ? ["kms:Sign"] : [])
          Resource  = "*"
        },
      ],
      length(arns) == 0 ? [] : [{
        # aws:PrincipalArn of a session is its role's ARN, so one line covers both.
        Sid       = "SignsForNobodyElse"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["kms:CreateGrant", "kms:Sign"]
        Resource  = "*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = arns } }
      }],
    )
  }
}
