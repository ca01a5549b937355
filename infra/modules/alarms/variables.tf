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

variable "kms_key_arn" {
  type        = string
  description = "Customer-managed KMS key of the topic, which CloudWatch may use: `alerts_key_arn` of the module keys."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "Write the ARN of a key, not of an alias: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "email" {
  type        = string
  description = "Who is told. AWS asks this address to confirm. Null: subscribe something else to the topic."
  default     = null

  validation {
    condition     = var.email == null || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.email))
    error_message = "Write one e-mail address, such as \"oncall@example.com\", or null."
  }
}

variable "load_balancer_arn_suffix" {
  type        = string
  description = "The balancer as metrics name it."
  nullable    = false

  validation {
    condition     = can(regex("^net/", var.load_balancer_arn_suffix))
    error_message = "Write the ARN suffix of a network balancer, net/NAME/ID: `arn_suffix` of the module load_balancer."
  }
}

variable "target_group_arn_suffix" {
  type        = string
  description = "The target group of the API as metrics name it."
  nullable    = false

  validation {
    condition     = can(regex("^targetgroup/", var.target_group_arn_suffix))
    error_message = "Write the ARN suffix of a target group, targetgroup/NAME/ID: `mtls_target_group_arn_suffix` of the module load_balancer."
  }
}

variable "cluster_name" {
  type        = string
  description = "ECS cluster, for the dashboard."
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,255}$", var.cluster_name))
    error_message = "Write the name of a cluster, not its ARN: `cluster_name` of the module service."
  }
}

variable "service_name" {
  type        = string
  description = "ECS service, for the dashboard."
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,255}$", var.service_name))
    error_message = "Write the name of a service, not its ARN: `service_name` of the module service."
  }
}

variable "table_names" {
  type        = list(string)
  description = "The three tables."
  nullable    = false

  validation {
    condition     = length(distinct(var.table_names)) == 3 && length(var.table_names) == 3
    error_message = "Write the names of the three tables: principals, certificates, control."
  }
}

variable "metric_namespace" {
  type        = string
  description = "Where the servers' own metrics are: `metric_namespace` of the module service."
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9._/#:-]{1,255}$", var.metric_namespace)) && !startswith(var.metric_namespace, "AWS/")
    error_message = "Write the namespace of the servers' metrics, such as \"airunner/prod\"."
  }
}

variable "denied_admissions_per_5_minutes" {
  type        = number
  description = "From how many refused peers on somebody is told. A server logs at most 10 a minute from one address, and 100 in all."
  default     = 100
  nullable    = false

  validation {
    condition     = var.denied_admissions_per_5_minutes >= 1 && var.denied_admissions_per_5_minutes <= 500
    error_message = "Write 1 to 500: one server logs at most 500 in five minutes, so that a higher number may never be seen."
  }
}

variable "server_errors_per_5_minutes" {
  type        = number
  description = "From how many answers of 500 and above on somebody is told."
  default     = 20
  nullable    = false

  validation {
    condition     = var.server_errors_per_5_minutes >= 1
    error_message = "Write a number from 1."
  }
}
