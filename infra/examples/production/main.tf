provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Application = "airunner"
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}

module "airunner" {
  source = "../.."

  environment         = var.environment
  domain              = var.domain
  zone_id             = var.zone_id
  admin_role_arn      = var.admin_role_arn
  image               = var.image
  cidr                = var.cidr
  availability_zones  = var.availability_zones
  nat_gateways        = var.nat_gateways
  interface_endpoints = var.interface_endpoints
  ip_address_type     = var.ip_address_type

  client_cidrs       = var.client_cidrs
  enrollment_enabled = var.enrollment_enabled
  pki_enabled        = var.pki_enabled

  cpu                 = var.cpu
  memory              = var.memory
  cpu_architecture    = var.cpu_architecture
  autoscaling_enabled = var.autoscaling_enabled
  min_tasks           = var.min_tasks
  max_tasks           = var.max_tasks
  container_insights  = var.container_insights

  issuer_key_in_kms = var.issuer_key_in_kms
  issuer_keys       = var.issuer_keys

  truststore_enabled   = var.truststore_enabled
  audit_bucket_enabled = var.audit_bucket_enabled
  audit_lock_mode      = var.audit_lock_mode

  log_retention_days  = var.log_retention_days
  deletion_protection = var.deletion_protection
  alarm_email         = var.alarm_email

  github_repository        = var.github_repository
  github_oidc_provider_arn = var.github_oidc_provider_arn
}
