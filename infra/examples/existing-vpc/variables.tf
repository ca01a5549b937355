# Passed on as they are: the module's own validations say what is wrong with them.

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

variable "admin_role_arn" {
  type        = string
  description = "Role of the person who runs `airunner bootstrap`."
}

variable "vpc_id" {
  type        = string
  description = "The VPC."
}

variable "public_subnet_ids" {
  type        = list(string)
  description = "Subnets of the balancer, in different zones."
}

variable "application_subnet_ids" {
  type        = list(string)
  description = "Subnets of the tasks, in different zones."
}

variable "ip_address_type" {
  type        = string
  description = "`dualstack` where the public subnets have IPv6 addresses."
  default     = "ipv4"
}
