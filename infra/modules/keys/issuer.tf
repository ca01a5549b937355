# Signs client certificates and never leaves KMS. An asymmetric key cannot rotate by itself: a new issuer is a new key.
# So a rotation adds a name to issuer_keys, and takes the old one away when its issuer is removed (docs/rotation.md).

resource "aws_kms_key" "issuer" {
  #checkov:skip=CKV_AWS_7:an asymmetric key has no automatic rotation; a new issuer is a new key
  for_each = toset(var.issuer_keys)

  description              = "${local.prefix}: issuer of client certificates, ${each.key}"
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "ECC_NIST_P256"
  deletion_window_in_days  = var.deletion_window_days
  policy                   = jsonencode({ Version = "2012-10-17", Statement = local.signing_policies["issuer"] })
}

# The oldest: what bootstrap was told stays true until a rotation has ended.
resource "aws_kms_alias" "issuer" {
  name          = "alias/${local.prefix}-issuer"
  target_key_id = aws_kms_key.issuer[var.issuer_keys[0]].key_id
}

moved {
  from = aws_kms_key.issuer
  to   = aws_kms_key.issuer["1"]
}

# A key of its own: a stolen issuer of clients never impersonates the server.
resource "aws_kms_key" "server_issuer" {
  #checkov:skip=CKV_AWS_7:an asymmetric key has no automatic rotation; a new issuer is a new key
  count = var.server_issuer ? 1 : 0

  description              = "${local.prefix}: issuer of server certificates"
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "ECC_NIST_P256"
  deletion_window_in_days  = var.deletion_window_days
  policy                   = jsonencode({ Version = "2012-10-17", Statement = local.signing_policies["issuer"] })
}

resource "aws_kms_alias" "server_issuer" {
  count = var.server_issuer ? 1 : 0

  name          = "alias/${local.prefix}-server-issuer"
  target_key_id = aws_kms_key.server_issuer[0].key_id
}
