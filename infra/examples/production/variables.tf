# Passed on as they are; the module's own validations say what is wrong with them. None has a default where environments
# are to differ: what is not in the .tfvars file is asked for, not assumed.

variable "region" {
  type        = string
  description = "AWS region."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Write an AWS region, such as \"us-east-1\" or \"ap-southeast-2\"."
  }
}

variable "environment" {
  type        = string
  description = "Second half of every name."
}

variable "domain" {
  type        = string
  description = "The servers' name is `airunner-<environment>.<domain>`."
}

variable "zone_id" {
  type        = string
  description = "Route 53 zone of the domain; null: DNS is done elsewhere."
  default     = null
}

variable "admin_role_arn" {
  type        = string
  description = "Role of the person who runs `airunner bootstrap`."
}

variable "image" {
  type        = string
  description = "First image; null: tag `initial` of the repository made here."
  default     = null
}

variable "cidr" {
  type        = string
  description = "IPv4 addresses of the VPC."
}

variable "availability_zones" {
  type        = list(string)
  description = "Three zones of the region."
}

variable "nat_gateways" {
  type        = number
  description = "0, 1 or 3."
}

variable "interface_endpoints" {
  type        = bool
  description = "Whether AWS is reached without leaving the VPC."
}

variable "ip_address_type" {
  type        = string
  description = "`dualstack` or `ipv4`."
}

variable "client_cidrs" {
  type        = list(string)
  description = "Who may reach the servers."
}

variable "enrollment_enabled" {
  type        = bool
  description = "Whether machines can join."
}

variable "pki_enabled" {
  type        = bool
  description = "Whether trust bundle, issuers and CRLs are published."
}

variable "cpu" {
  type        = number
  description = "CPU units of a task."
}

variable "memory" {
  type        = number
  description = "MiB of a task."
}

variable "cpu_architecture" {
  type        = string
  description = "X86_64 or ARM64."
}

variable "autoscaling_enabled" {
  type        = bool
  description = "Whether the number of tasks follows CPU and connections."
}

variable "min_tasks" {
  type        = number
  description = "Fewest tasks."
}

variable "max_tasks" {
  type        = number
  description = "Most tasks."
}

variable "container_insights" {
  type        = bool
  description = "Whether ECS publishes figures of each task."
}

variable "issuer_key_in_kms" {
  type        = bool
  description = "Whether the issuer's key stays in KMS."
}

variable "issuer_keys" {
  type        = list(string)
  description = "A name for the KMS key of each issuer: a rotation adds one, and takes the old one away at its end."
  default     = ["1"]
}

variable "truststore_enabled" {
  type        = bool
  description = "Whether issuers and roots are published to a bucket."
}

variable "audit_bucket_enabled" {
  type        = bool
  description = "Whether checkpoints of the audit log are copied to a locked bucket."
}

variable "audit_lock_mode" {
  type        = string
  description = "Whether nobody at all can delete them (COMPLIANCE)."
}

variable "log_retention_days" {
  type        = number
  description = "Days for which logs are kept."
}

variable "deletion_protection" {
  type        = bool
  description = "Whether tables and balancer refuse to be deleted."
}

variable "alarm_email" {
  type        = string
  description = "Who is told of alarms."
  default     = null
}

variable "github_repository" {
  type        = string
  description = "GitHub repository whose pipelines may deploy."
  default     = null
}

variable "github_oidc_provider_arn" {
  type        = string
  description = "The account's OIDC provider for GitHub, once another environment has made it."
  default     = null
}
