mock_provider "aws" {}

variables {
  application        = "airunner"
  environment        = "prod"
  repository         = "example/airunner-control-plane"
  branches           = ["main"]
  ecr_repository_arn = "arn:aws:ecr:us-east-1:111122223333:repository/airunner-prod"
  ecs_cluster_arn    = "arn:aws:ecs:us-east-1:111122223333:cluster/airunner-prod"
  ecs_service_arn    = "arn:aws:ecs:us-east-1:111122223333:service/airunner-prod/airunner-prod"
  passable_role_arns = ["arn:aws:iam::111122223333:role/airunner-prod-task", "arn:aws:iam::111122223333:role/airunner-prod-execution"]
}

run "refuses_a_name_that_ends_with_a_hyphen" {
  command = plan
  variables {
    application = "airunner-"
  }
  expect_failures = [var.application]
}

run "refuses_an_environment_with_a_hyphen" {
  command = plan
  variables {
    environment = "pre-prod"
  }
  expect_failures = [var.environment]
}

run "refuses_all_repositories_of_an_owner" {
  command = plan
  variables {
    repository = "example/*"
  }
  expect_failures = [var.repository]
}

run "refuses_every_branch" {
  command = plan
  variables {
    branches = ["*"]
  }
  expect_failures = [var.branches]
}

run "refuses_every_environment" {
  command = plan
  variables {
    environments = ["prod*"]
  }
  expect_failures = [var.environments]
}

run "refuses_a_role_for_everyone_who_can_push" {
  command = plan
  variables {
    branches = []
  }
  expect_failures = [var.environments]
}

run "refuses_the_provider_of_somebody_else" {
  command = plan
  variables {
    oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/gitlab.com"
  }
  expect_failures = [var.oidc_provider_arn]
}

run "refuses_all_image_repositories" {
  command = plan
  variables {
    ecr_repository_arn = "arn:aws:ecr:us-east-1:111122223333:repository/*"
  }
  expect_failures = [var.ecr_repository_arn]
}

run "refuses_all_clusters" {
  command = plan
  variables {
    ecs_cluster_arn = "*"
  }
  expect_failures = [var.ecs_cluster_arn]
}

run "refuses_all_services" {
  command = plan
  variables {
    ecs_service_arn = "arn:aws:ecs:us-east-1:111122223333:service/airunner-prod/*"
  }
  expect_failures = [var.ecs_service_arn]
}

run "refuses_to_pass_any_role" {
  command = plan
  variables {
    passable_role_arns = ["arn:aws:iam::111122223333:role/*"]
  }
  expect_failures = [var.passable_role_arns]
}
