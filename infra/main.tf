locals {
  hostname = "${var.application}-${var.environment}.${var.domain}"
  image    = coalesce(var.image, "${module.ecr.repository_url}:initial")
}

module "keys" {
  source = "./modules/keys"

  application          = var.application
  environment          = var.environment
  admin_role_arn       = var.admin_role_arn
  issuer_keys          = var.issuer_keys
  issuer_signer_arns   = [var.admin_role_arn, module.service.task_role_arn]
  audit_signer_arns    = [module.service.task_role_arn]
  deletion_window_days = var.deletion_protection ? 30 : 7
}

module "network" {
  source = "./modules/network"

  application             = var.application
  environment             = var.environment
  cidr                    = var.cidr
  availability_zones      = var.availability_zones
  ip_address_type         = var.ip_address_type
  nat_gateways            = var.nat_gateways
  interface_endpoints     = var.interface_endpoints
  existing                = var.existing_network
  flow_log_retention_days = var.log_retention_days
  logs_key_arn            = module.keys.logs_key_arn
}

module "registry" {
  source = "./modules/registry"

  application         = var.application
  environment         = var.environment
  kms_key_arn         = module.keys.tables_key_arn
  deletion_protection = var.deletion_protection
}

module "secrets" {
  source = "./modules/secrets"

  application          = var.application
  environment          = var.environment
  kms_key_arn          = module.keys.secrets_key_arn
  admin_role_arn       = var.admin_role_arn
  execution_role_arn   = module.service.execution_role_arn
  recovery_window_days = var.deletion_protection ? 30 : 0
}

module "ecr" {
  source = "./modules/ecr"

  application  = var.application
  environment  = var.environment
  force_delete = !var.deletion_protection
}

module "load_balancer" {
  source = "./modules/load_balancer"

  application         = var.application
  environment         = var.environment
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.public_subnet_ids
  ip_address_type     = var.ip_address_type
  client_cidrs        = var.client_cidrs
  enrollment_enabled  = var.enrollment_enabled
  enrollment_cidrs    = var.enrollment_cidrs == null ? var.client_cidrs : var.enrollment_cidrs
  pki_enabled         = var.pki_enabled
  pki_cidrs           = var.pki_cidrs == null ? var.client_cidrs : var.pki_cidrs
  health_cidrs        = var.health_cidrs
  deletion_protection = var.deletion_protection
}

module "service" {
  source = "./modules/service"

  application = var.application
  environment = var.environment
  hostname    = local.hostname

  image                   = local.image
  ecr_repository_arn      = module.ecr.repository_arn
  cpu                     = var.cpu
  memory                  = var.memory
  cpu_architecture        = var.cpu_architecture
  stop_timeout_seconds    = var.stop_timeout_seconds
  autoscaling_enabled     = var.autoscaling_enabled
  min_tasks               = var.min_tasks
  max_tasks               = var.max_tasks
  connections_per_process = var.connections_per_process
  container_insights      = var.container_insights
  log_retention_days      = var.log_retention_days
  logs_key_arn            = module.keys.logs_key_arn

  vpc_id                          = module.network.vpc_id
  subnet_ids                      = module.network.application_subnet_ids
  proxy_cidrs                     = module.network.public_subnet_cidrs
  target_groups                   = module.load_balancer.target_groups
  load_balancer_security_group_id = module.load_balancer.security_group_id

  tables = {
    principals   = { name = module.registry.principal_table_name, arn = module.registry.principal_table_arn }
    certificates = { name = module.registry.cert_table_name, arn = module.registry.cert_table_arn }
    control      = { name = module.registry.control_table_name, arn = module.registry.control_table_arn }
  }
  tables_key_arn        = module.keys.tables_key_arn
  parameter_prefix      = module.secrets.parameter_prefix
  parameter_arns        = module.secrets.parameter_arns
  secrets_key_arn       = module.keys.secrets_key_arn
  issuer_key_in_kms     = var.issuer_key_in_kms
  issuer_key_arns       = module.keys.issuer_key_arns
  issuer_key_secret_arn = module.secrets.issuer_key_secret_arn

  store_epoch_parameter_arn = module.secrets.store_epoch_parameter_arn
  audit_key_arn             = module.keys.audit_key_arn
  audit_bucket              = one(module.audit_bucket[*])
  audit_lock_mode           = var.audit_lock_mode
  truststore_bucket         = one(module.truststore_bucket[*])
}

module "truststore_bucket" {
  source = "./modules/bucket"
  count  = var.truststore_enabled ? 1 : 0

  application     = var.application
  environment     = var.environment
  purpose         = "truststore"
  writer_role_arn = module.service.task_role_arn
  force_destroy   = !var.deletion_protection
}

module "audit_bucket" {
  source = "./modules/bucket"
  count  = var.audit_bucket_enabled ? 1 : 0

  application     = var.application
  environment     = var.environment
  purpose         = "audit"
  writer_role_arn = module.service.task_role_arn
  lock_days       = 400
  lock_mode       = var.audit_lock_mode
  force_destroy   = !var.deletion_protection
}

module "alarms" {
  source = "./modules/alarms"

  application              = var.application
  environment              = var.environment
  email                    = var.alarm_email
  kms_key_arn              = module.keys.alerts_key_arn
  load_balancer_arn_suffix = module.load_balancer.arn_suffix
  target_group_arn_suffix  = module.load_balancer.mtls_target_group_arn_suffix
  cluster_name             = module.service.cluster_name
  service_name             = module.service.service_name
  metric_namespace         = module.service.metric_namespace
  table_names              = [module.registry.principal_table_name, module.registry.cert_table_name, module.registry.control_table_name]
}

module "dns" {
  source = "./modules/dns"
  count  = var.zone_id == null ? 0 : 1

  zone_id                = var.zone_id
  name                   = local.hostname
  load_balancer_dns_name = module.load_balancer.dns_name
  load_balancer_zone_id  = module.load_balancer.zone_id
}

module "github_oidc" {
  source = "./modules/github_oidc"
  count  = var.github_repository == null ? 0 : 1

  application        = var.application
  environment        = var.environment
  repository         = var.github_repository
  environments       = var.github_environments == null ? [var.environment] : var.github_environments
  oidc_provider_arn  = var.github_oidc_provider_arn
  ecr_repository_arn = module.ecr.repository_arn
  ecs_cluster_arn    = module.service.cluster_arn
  ecs_service_arn    = module.service.service_arn
  passable_role_arns = [module.service.task_role_arn, module.service.execution_role_arn]
}
