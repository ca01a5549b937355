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
  description = "Customer-managed KMS key that encrypts the three tables: `tables_key_arn` of the module keys."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "Write the ARN of a key, not of an alias: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "deletion_protection" {
  type        = bool
  description = "Whether AWS refuses to delete the tables. To destroy a deployment, apply once with false."
  default     = true
  nullable    = false
}

variable "recovery_days" {
  type        = number
  description = "Days back to which a table can be restored (point-in-time recovery)."
  default     = 35
  nullable    = false

  validation {
    condition     = var.recovery_days >= 1 && var.recovery_days <= 35 && floor(var.recovery_days) == var.recovery_days
    error_message = "Write a whole number of days from 1 to 35; recovery cannot be turned off."
  }
}
