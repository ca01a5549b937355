# The least that is still a deployment: one NAT gateway instead of endpoints, one small task, and nothing that keeps it from being
# destroyed again.
#   terraform init && terraform apply -var domain=example.com

provider "aws" {
  region = var.region

  default_tags {
    tags = { Application = "airunner", Environment = "trial", ManagedBy = "terraform" }
  }
}

data "aws_caller_identity" "me" {}

# Of a session: the role behind it. Who applies as a user names a role instead.
data "aws_iam_session_context" "me" {
  arn = data.aws_caller_identity.me.arn
}

module "airunner" {
  source = "../.."

  environment    = "trial"
  domain         = var.domain
  admin_role_arn = coalesce(var.admin_role_arn, data.aws_iam_session_context.me.issuer_arn)

  nat_gateways        = 1
  interface_endpoints = false

  cpu                 = 256
  memory              = 512
  autoscaling_enabled = false
  min_tasks           = 1
  container_insights  = false
  log_retention_days  = 7
  deletion_protection = false
}
