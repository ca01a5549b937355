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

variable "admin_role_arn" {
  type        = string
  description = "Role of the administrator who runs `airunner bootstrap`: may use the keys of secrets and tables through their services, and the issuer's key once to try it."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.admin_role_arn))
    error_message = "Write the ARN of an IAM role, arn:aws:iam::ACCOUNT:role/NAME; of an assumed role (arn:aws:sts::…) its role's."
  }
}

variable "issuer_signer_arns" {
  type        = list(string)
  description = "Roles that alone may sign with the issuer's keys, whatever policies say elsewhere; empty: whoever is allowed to by IAM."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.issuer_signer_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", arn))])
    error_message = "Write ARNs of IAM roles, arn:aws:iam::ACCOUNT:role/NAME: the task role, and the administrator's."
  }
}

variable "audit_signer_arns" {
  type        = list(string)
  description = "Roles that alone may sign with the key of the audit log, whatever policies say elsewhere; empty: whoever is allowed to by IAM."
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.audit_signer_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", arn))])
    error_message = "Write ARNs of IAM roles, arn:aws:iam::ACCOUNT:role/NAME: the task role."
  }
}

variable "issuer_keys" {
  type        = list(string)
  description = "A name for each issuer of client certificates, oldest first: a rotation adds one, and takes the old one away at its end."
  default     = ["1"]
  nullable    = false

  validation {
    condition     = length(var.issuer_keys) >= 1 && length(distinct(var.issuer_keys)) == length(var.issuer_keys) && alltrue([for name in var.issuer_keys : can(regex("^[a-z0-9]{1,12}$", name))])
    error_message = "Write at least one name, each once, of 1 to 12 lower-case letters and digits, such as [\"1\", \"2\"]."
  }
}

variable "server_issuer" {
  type        = bool
  description = "Whether the issuer of server certificates has a signing key in KMS too. Without it, the administrator keeps that key."
  default     = false
  nullable    = false
}

variable "deletion_window_days" {
  type        = number
  description = "Days between the wish to delete a key and its end. What it has encrypted ends with it."
  default     = 30
  nullable    = false

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30 && floor(var.deletion_window_days) == var.deletion_window_days
    error_message = "Write a whole number of days from 7 to 30."
  }
}
