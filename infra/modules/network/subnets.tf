# A sixteenth of the VPC each: 0-2 public, 4-6 application, 8-10 data; the rest is room to grow.

# The balancer and the NAT gateways; nothing else has an address of the internet.
resource "aws_subnet" "public" {
  for_each = local.zones

  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.cidr, 4, each.value)
  ipv6_cidr_block         = local.dualstack ? cidrsubnet(aws_vpc.this[0].ipv6_cidr_block, 8, each.value) : null
  map_public_ip_on_launch = false
  tags                    = { Name = "${local.prefix}-public-${each.key}" }
}

resource "aws_subnet" "application" {
  for_each = local.zones

  vpc_id            = aws_vpc.this[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, each.value + 4)
  tags              = { Name = "${local.prefix}-application-${each.key}" }
}

resource "aws_subnet" "data" {
  for_each = local.zones

  vpc_id            = aws_vpc.this[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, each.value + 8)
  tags              = { Name = "${local.prefix}-data-${each.key}" }
}

# Of a VPC that is not ours, only what the balancer's addresses are must be known.
data "aws_subnet" "existing_public" {
  for_each = toset(try(var.existing.public_subnet_ids, []))

  id = each.value
}
