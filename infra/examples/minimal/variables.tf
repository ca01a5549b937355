variable "domain" {
  type        = string
  description = "The servers' name is `airunner-trial.<domain>`."
}

variable "region" {
  type        = string
  description = "AWS region."
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Write an AWS region, such as \"us-east-1\" or \"ap-southeast-2\"."
  }
}

variable "admin_role_arn" {
  type        = string
  description = "Role of the person who runs `airunner bootstrap`; null: the role that applies."
  default     = null
}
