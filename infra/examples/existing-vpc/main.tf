# Into a VPC that is there, with its routes, endpoints and flow logs. What it must have: public subnets in two zones or more,
# and application subnets from which tasks reach DynamoDB, SSM, KMS, ECR, Logs and STS on port 443.

provider "aws" {
  region = var.region

  default_tags {
    tags = { Application = "airunner", Environment = var.environment, ManagedBy = "terraform" }
  }
}

module "airunner" {
  source = "../.."

  environment    = var.environment
  domain         = var.domain
  admin_role_arn = var.admin_role_arn

  existing_network = {
    vpc_id                 = var.vpc_id
    public_subnet_ids      = var.public_subnet_ids
    application_subnet_ids = var.application_subnet_ids
  }
  ip_address_type = var.ip_address_type
}
