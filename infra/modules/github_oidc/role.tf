data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  prefix        = "${var.application}-${var.environment}"
  issuer        = "token.actions.githubusercontent.com"
  provider_arn  = var.oidc_provider_arn == null ? aws_iam_openid_connect_provider.github[0].arn : var.oidc_provider_arn
  task_families = "arn:${data.aws_partition.current.partition}:ecs:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:task-definition"
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.oidc_provider_arn == null ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

# No key that lives on: a job shows who it is, repository and branch or environment, and gets an hour.
resource "aws_iam_role" "deploy" {
  name                 = "${local.prefix}-deploy"
  description          = "Pipelines of ${var.repository}: push an image and bring it into service."
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = local.provider_arn }
      Condition = { StringEquals = {
        "${local.issuer}:aud" = "sts.amazonaws.com"
        "${local.issuer}:sub" = concat(
          [for branch in var.branches : "repo:${var.repository}:ref:refs/heads/${branch}"],
          [for name in var.environments : "repo:${var.repository}:environment:${name}"],
        )
      } }
    }]
  })
}

resource "aws_iam_role_policy" "deploy" {
  name = "deploy"
  role = aws_iam_role.deploy.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "PushTheImage"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:CompleteLayerUpload",
          "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload",
          "ecr:PutImage",
          "ecr:UploadLayerPart",
        ]
        Resource = var.ecr_repository_arn
      },
      {
        Sid    = "KnowNoSingleResource"
        Effect = "Allow"
        # Neither action can be limited to a resource.
        Action   = ["ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition"]
        Resource = "*"
      },
      {
        Sid      = "DescribeTheNextTask"
        Effect   = "Allow"
        Action   = "ecs:RegisterTaskDefinition"
        Resource = "${local.task_families}/${local.prefix}:*"
      },
      {
        Sid      = "BringItIntoService"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServices", "ecs:UpdateService"]
        Resource = var.ecs_service_arn
      },
      {
        Sid       = "SeeWhyATaskStopped"
        Effect    = "Allow"
        Action    = ["ecs:DescribeTasks", "ecs:ListTasks"]
        Resource  = "*"
        Condition = { ArnEquals = { "ecs:cluster" = var.ecs_cluster_arn } }
      },
      {
        Sid       = "NameTheRolesOfTheTask"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = var.passable_role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
  })
}
