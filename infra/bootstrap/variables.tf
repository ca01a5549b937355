variable "application" {
  type        = string
  description = "First part of the names of bucket and key."
  default     = "airunner"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}[a-z0-9]$", var.application))
    error_message = "Write 2 to 21 lower-case letters, digits and inner hyphens, a letter first, such as \"airunner\"."
  }
}

variable "region" {
  type        = string
  description = "Region of the bucket; deployments in other regions can keep their state in it too."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Write the name of a region, such as \"ap-southeast-2\"."
  }
}

variable "version_days" {
  type        = number
  description = "Days for which a state that was replaced can be brought back."
  default     = 90
  nullable    = false

  validation {
    condition     = var.version_days >= 7 && var.version_days <= 3650 && floor(var.version_days) == var.version_days
    error_message = "Write a whole number of days from 7 to 3650."
  }
}
