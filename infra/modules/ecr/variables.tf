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
  description = "KMS key that encrypts the images; null takes the account's own key for ECR."
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "Write the ARN of a key, not of an alias: arn:aws:kms:REGION:ACCOUNT:key/ID; or null."
  }
}

variable "kept_images" {
  type        = number
  description = "Newest tagged images that are kept; one that is older cannot be rolled back to."
  default     = 30
  nullable    = false

  validation {
    condition     = var.kept_images >= 5 && var.kept_images <= 1000 && floor(var.kept_images) == var.kept_images
    error_message = "Write a whole number from 5 to 1000."
  }
}

variable "force_delete" {
  type        = bool
  description = "Whether destroying the repository deletes its images too."
  default     = false
  nullable    = false
}
