data "aws_caller_identity" "current" {}

locals {
  table_prefix = "${var.application}_${var.environment}"

  tables = {
    principals   = aws_dynamodb_table.principals.arn
    certificates = aws_dynamodb_table.certificates.arn
    control      = aws_dynamodb_table.control.arn
  }
}

# Grants nothing. DynamoDB answers plain HTTP as well, and a policy written in another account or by a wrong hand could
# let a stranger in: both are refused here, whatever else is allowed. Reading and writing only, so that who manages the
# tables can always mend this policy.
resource "aws_dynamodb_resource_policy" "perimeter" {
  for_each = local.tables

  resource_arn = each.value
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sid, condition in {
        OverTlsAlone = { Bool = { "aws:SecureTransport" = "false" } }
        OfThisAccountAlone = {
          StringNotEquals = { "aws:PrincipalAccount" = data.aws_caller_identity.current.account_id }
          # Backups and exports are made by AWS itself.
          Bool = { "aws:PrincipalIsAWSService" = "false" }
        }
        } : {
        Sid       = sid
        Effect    = "Deny"
        Principal = "*"
        Action    = local.data_actions
        Resource  = [each.value, "${each.value}/index/*"]
        Condition = condition
      }
    ]
  })
}

locals {
  data_actions = [
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLSelect",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
  ]
}
