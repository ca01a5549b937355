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
  description = "Customer-managed KMS key that encrypts the secrets and `server-key`: `secrets_key_arn` of the module keys."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "Write the ARN of a key, not of an alias: arn:aws:kms:REGION:ACCOUNT:key/ID."
  }
}

variable "admin_role_arn" {
  type        = string
  description = "Role of the administrator who runs `airunner bootstrap`: the only one who reads `ca-key` and who writes either secret."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.admin_role_arn))
    error_message = "Write the ARN of an IAM role, arn:aws:iam::ACCOUNT:role/NAME; of an assumed role (arn:aws:sts::…) its role's."
  }
}

variable "execution_role_arn" {
  type        = string
  description = "Role by which ECS starts the tasks: the only one who reads `issuer-key`."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.execution_role_arn))
    error_message = "Write the ARN of an IAM role, arn:aws:iam::ACCOUNT:role/NAME: the execution role of the service."
  }

  validation {
    condition     = var.execution_role_arn != var.admin_role_arn
    error_message = "Write the execution role of the service, not the administrator's: tasks must never read ca-key."
  }
}

variable "recovery_window_days" {
  type        = number
  description = "Days in which a deleted secret can be taken back; 0 deletes at once, for deployments that are thrown away."
  default     = 30
  nullable    = false

  validation {
    condition     = contains(concat([0], range(7, 31)), var.recovery_window_days)
    error_message = "Write a whole number of days from 7 to 30, or 0 to delete at once."
  }
}
