locals {
  nat_zones = { for zone, number in local.zones : zone => number if number < var.nat_gateways }
}

resource "aws_eip" "nat" {
  for_each = local.nat_zones

  domain = "vpc"
  tags   = { Name = "${local.prefix}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each = local.nat_zones

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id
  tags          = { Name = "${local.prefix}-${each.key}" }

  # A gateway that comes up before the way to the internet fails.
  depends_on = [aws_internet_gateway.this]
}
