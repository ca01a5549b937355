# Signs the checkpoints of the audit log. Not the issuer's: who has that one must not be able to rewrite what it did.

resource "aws_kms_key" "audit" {
  #checkov:skip=CKV_AWS_7:an asymmetric key has no automatic rotation; checkpoints name the key that signed them
  description              = "${local.prefix}: checkpoints of the audit log"
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "ECC_NIST_P256"
  deletion_window_in_days  = var.deletion_window_days
  policy                   = jsonencode({ Version = "2012-10-17", Statement = local.signing_policies["audit"] })
}

resource "aws_kms_alias" "audit" {
  name          = "alias/${local.prefix}-audit"
  target_key_id = aws_kms_key.audit.key_id
}
