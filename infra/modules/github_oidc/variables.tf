variable "application" {
  type        = string
  description = "First half of every name, and of the paths of parameters and secrets."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}[a-z0-9]$", var.application))
    error_message = "Write 2 to 21 lower-case letters, digits and inner hyphens, a letter first, such as \"airunner\"."
  }
}

variable "environment" {
  type        = string
  description = "Second half of every name: one deployment of the application in this account and region."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "Write 2 to 12 lower-case letters and digits, a letter first, such as \"prod\"."
  }
}

variable "repository" {
  type        = string
  description = "GitHub repository whose pipelines may take the role."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.repository))
    error_message = "Write \"owner/name\", without wildcards, such as \"example/airunner-control-plane\"."
  }
}

variable "branches" {
  type        = list(string)
  description = "Branches from which the role may be taken."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for branch in var.branches : can(regex("^[A-Za-z0-9][A-Za-z0-9._/-]*$", branch))])
    error_message = "Write names of branches without wildcards and without refs/heads/, such as \"main\"."
  }
}

variable "environments" {
  type        = list(string)
  description = "GitHub environments, with the approvals that GitHub asks for them, from which the role may be taken."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.environments : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*$", name))])
    error_message = "Write names of GitHub environments without wildcards, such as \"production\"."
  }

  validation {
    condition     = length(var.environments) + length(var.branches) > 0
    error_message = "Write at least one branch or one GitHub environment: a role for every branch is a role for everyone who can push."
  }
}

variable "oidc_provider_arn" {
  type        = string
  description = "The account's provider for GitHub, of which there can be one only; null makes it."
  default     = null

  validation {
    condition     = var.oidc_provider_arn == null || can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.oidc_provider_arn))
    error_message = "Write arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com, or null to make it."
  }
}

variable "ecr_repository_arn" {
  type        = string
  description = "The only repository that can be pushed to: `repository_arn` of the module ecr."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:ecr:[^:]+:[0-9]{12}:repository/[^*]+$", var.ecr_repository_arn))
    error_message = "Write the ARN of one repository, arn:aws:ecr:REGION:ACCOUNT:repository/NAME, without wildcards."
  }
}

variable "ecs_cluster_arn" {
  type        = string
  description = "Cluster of the service."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:ecs:[^:]+:[0-9]{12}:cluster/[^*]+$", var.ecs_cluster_arn))
    error_message = "Write the ARN of one cluster, arn:aws:ecs:REGION:ACCOUNT:cluster/NAME, without wildcards."
  }
}

variable "ecs_service_arn" {
  type        = string
  description = "The only service that can be updated."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:ecs:[^:]+:[0-9]{12}:service/[^*]+$", var.ecs_service_arn))
    error_message = "Write the ARN of one service, arn:aws:ecs:REGION:ACCOUNT:service/CLUSTER/NAME, without wildcards."
  }
}

variable "passable_role_arns" {
  type        = list(string)
  description = "Roles that a new task definition may name: task role and execution role of the service."
  nullable    = false

  validation {
    condition     = length(var.passable_role_arns) > 0 && alltrue([for arn in var.passable_role_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/[^*]+$", arn))])
    error_message = "Write the ARNs of the task role and the execution role, arn:aws:iam::ACCOUNT:role/NAME, without wildcards."
  }
}
