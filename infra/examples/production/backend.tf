# Whose bucket it is stands in no file here: `infra/bootstrap` makes one and says the flags, one state per environment:
#   terraform init -backend-config=bucket=… -backend-config=region=… -backend-config=key=prod/airunner.tfstate
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
