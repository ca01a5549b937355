variable "application" {
  type        = string
  description = "First part of the bucket's name."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}[a-z0-9]$", var.application))
    error_message = "Write 2 to 21 lower-case letters, digits and inner hyphens, a letter first, such as \"airunner\"."
  }
}

variable "environment" {
  type        = string
  description = "Second part of its name: one deployment of the application in this account and region."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "Write 2 to 12 lower-case letters and digits, a letter first, such as \"prod\"."
  }
}

variable "purpose" {
  type        = string
  description = "Third part of its name: what it is for. The account's number follows."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.purpose))
    error_message = "Write 2 to 12 lower-case letters and digits, a letter first, such as \"truststore\"."
  }
}

variable "writer_role_arn" {
  type        = string
  description = "The task role: nobody else puts an object here, whatever policies say elsewhere."
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.writer_role_arn))
    error_message = "Write the ARN of an IAM role, arn:aws:iam::ACCOUNT:role/NAME."
  }
}

variable "lock_days" {
  type        = number
  description = "Days for which nobody can delete or replace an object (object lock); null: no lock. A bucket is made with it or without."
  default     = null

  validation {
    condition     = var.lock_days == null || try(var.lock_days >= 1 && var.lock_days <= 3650 && floor(var.lock_days) == var.lock_days, false)
    error_message = "Write a whole number of days from 1 to 3650, or null."
  }
}

variable "lock_mode" {
  type        = string
  description = "`GOVERNANCE`: who has s3:BypassGovernanceRetention can delete all the same; `COMPLIANCE`: nobody can, the account's owner included."
  default     = "GOVERNANCE"
  nullable    = false

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.lock_mode)
    error_message = "Write \"GOVERNANCE\" or \"COMPLIANCE\"."
  }
}

variable "force_destroy" {
  type        = bool
  description = "Whether destroying the bucket deletes what is in it. What a COMPLIANCE lock holds stays, and the bucket with it."
  default     = false
  nullable    = false
}
