data "aws_region" "current" {}
data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# Local zones and zones that must be asked for are none of the three.
data "aws_availability_zones" "available" {
  count = local.made == 1 && var.availability_zones == null ? 1 : 0

  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  prefix = "${var.application}-${var.environment}"
  made   = var.existing == null ? 1 : 0

  dualstack = var.ip_address_type == "dualstack"

  found = try(data.aws_availability_zones.available[0].names, [])
  names = var.availability_zones != null ? var.availability_zones : try(slice(local.found, 0, 3), local.found)
  # Each zone with its number, which decides its addresses; none where nothing is made.
  zones = { for number, zone in local.names : zone => number if local.made == 1 }
}

resource "aws_vpc" "this" {
  count = local.made

  cidr_block                       = var.cidr
  assign_generated_ipv6_cidr_block = local.dualstack
  enable_dns_support               = true
  enable_dns_hostnames             = true
  tags                             = { Name = local.prefix }

  lifecycle {
    precondition {
      condition     = length(local.zones) == 3
      error_message = "This region offers fewer than three zones to this account: choose another region, or write the zones."
    }
  }
}

# What nobody has put into a security group of its own speaks to nobody.
resource "aws_default_security_group" "closed" {
  count = local.made

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${local.prefix}-closed" }
}
