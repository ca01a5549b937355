mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  environment    = "prod"
  domain         = "example.com"
  admin_role_arn = "arn:aws:iam::111122223333:role/airunner-admin"
}

run "bootstrap_is_told_what_was_deployed" {
  assert {
    condition = output.bootstrap_command == join(" ", [
      "airunner bootstrap --application airunner --environment prod --domain example.com --aws-region us-east-1",
      "--principal-table airunner_prod_principals --cert-table airunner_prod_certificates --control-table airunner_prod_control",
      "--kms-issuer-key 00000000-0000-0000-0000-00000000000a",
      "--ecs-cluster airunner-prod --ecs-service rpc-server --desired-count 2 --output-dir ./prod-certs",
    ])
    error_message = "The printed command does not fit the deployment."
  }
  assert {
    condition     = output.hostname == "airunner-prod.example.com" && output.parameter_prefix == "/airunner/prod"
    error_message = "Names are not those that bootstrap makes up by itself."
  }
}

run "says_what_to_do_next_and_nothing_that_is_done" {
  assert {
    condition = [for step in split("\n", output.next_steps) : substr(step, 0, 12)] == [
      "Push an imag", "Point airunn", "As arn:aws:i", "Apply once m",
    ]
    error_message = "The next steps are others."
  }
  assert {
    # Bootstrap writes no key of an authority or a server into a file.
    condition     = !strcontains(output.next_steps, "-key.pem")
    error_message = "A file is named that is never there."
  }
}

run "leaves_out_steps_that_are_done" {
  variables {
    image               = "example/airunner:1.0.0"
    zone_id             = "Z0123456789ABCDEFGHIJ"
    autoscaling_enabled = false
  }
  assert {
    condition     = [for step in split("\n", output.next_steps) : substr(step, 0, 12)] == ["As arn:aws:i"]
    error_message = "A step is named that is done."
  }
  assert {
    condition     = length(module.dns) == 1 && output.image == "example/airunner:1.0.0"
    error_message = "Zone or image are not used."
  }
}

run "nothing_is_made_that_nobody_asked_for" {
  assert {
    condition     = length(module.dns) == 0 && length(module.github_oidc) == 0 && output.deploy_role_arn == null
    error_message = "Records or roles are made without being asked for."
  }
}

run "an_issuers_key_outside_of_kms_is_not_named_to_bootstrap" {
  variables {
    issuer_key_in_kms = false
  }
  assert {
    condition     = !strcontains(output.bootstrap_command, "--kms-issuer-key") && output.issuer_key_id == null
    error_message = "Bootstrap would use a key that the task does not."
  }
}

run "enrolment_is_open_to_whom_the_api_is" {
  variables {
    client_cidrs = ["203.0.113.0/24"]
    pki_enabled  = true
  }
  assert {
    condition     = strcontains(output.bootstrap_command, "airunner bootstrap")
    error_message = "The deployment cannot be planned with narrowed clients."
  }
}

run "an_existing_vpc_is_used_as_it_is" {
  variables {
    existing_network = {
      vpc_id                 = "vpc-0aaaaaaaaaaaaaaaa"
      public_subnet_ids      = ["subnet-00000000000000001", "subnet-00000000000000002"]
      application_subnet_ids = ["subnet-00000000000000003", "subnet-00000000000000004"]
    }
    ip_address_type = "ipv4"
  }
  assert {
    condition     = module.network.vpc_id == "vpc-0aaaaaaaaaaaaaaaa" && length(module.network.data_subnet_ids) == 0
    error_message = "Another network is used, or made."
  }
}

run "github_deploys_from_the_environment_of_the_same_name" {
  variables {
    github_repository = "example/airunner-control-plane"
  }
  assert {
    condition     = output.deploy_role_arn == "arn:aws:iam::111122223333:role/mocked"
    error_message = "There is no role for the pipeline."
  }
}

run "a_rotation_adds_an_issuers_key_and_keeps_the_first" {
  variables {
    issuer_keys = ["1", "2"]
  }
  assert {
    condition     = join(" ", keys(output.issuer_key_ids)) == "1 2" && output.issuer_key_id == output.issuer_key_ids["1"]
    error_message = "The key that signs is not the oldest, or the new one is not named."
  }
}

run "buckets_are_made_where_they_are_wanted" {
  variables {
    truststore_enabled   = true
    audit_bucket_enabled = true
  }
  assert {
    condition     = output.truststore_bucket != null && output.audit_bucket != null && length(module.audit_bucket) == 1
    error_message = "A bucket is missing."
  }
}
