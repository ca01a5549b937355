resource "aws_internet_gateway" "this" {
  count = local.made

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = local.prefix }
}

resource "aws_route_table" "public" {
  count = local.made

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${local.prefix}-public" }
}

resource "aws_route" "public_ipv4" {
  count = local.made

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route" "public_ipv6" {
  count = local.dualstack ? local.made : 0

  route_table_id              = aws_route_table.public[0].id
  destination_ipv6_cidr_block = "::/0"
  gateway_id                  = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public[0].id
}

# One table for each zone, so that traffic goes out through its own zone's gateway where there is one.
resource "aws_route_table" "application" {
  for_each = local.zones

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${local.prefix}-application-${each.key}" }
}

resource "aws_route" "application" {
  for_each = var.nat_gateways > 0 ? local.zones : {}

  route_table_id         = aws_route_table.application[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[local.names[min(each.value, var.nat_gateways - 1)]].id
}

resource "aws_route_table_association" "application" {
  for_each = aws_subnet.application

  subnet_id      = each.value.id
  route_table_id = aws_route_table.application[each.key].id
}

# No route, and no gateway endpoint either: nothing in a data subnet reaches further than the VPC.
resource "aws_route_table" "data" {
  count = local.made

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${local.prefix}-data" }
}

resource "aws_route_table_association" "data" {
  for_each = aws_subnet.data

  subnet_id      = each.value.id
  route_table_id = aws_route_table.data[0].id
}
