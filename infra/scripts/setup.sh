#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR
# From an empty account to a running plane: asks, checks, keeps Terraform's state in a bucket, applies, bootstraps, applies what had to wait for that, verifies.
# Every step finds what is there already, so a run that was cut off is run again, with the same answers.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: setup.sh [flags]      asks for what is not given

  --environment NAME      second half of every name, such as prod (dev, sit and prod have sizes of their own)
  --domain NAME           servers are airunner-ENVIRONMENT.NAME
  --region NAME           where it goes (AWS_REGION, AWS_DEFAULT_REGION)
  --admin-role-arn ARN    the role that runs `airunner bootstrap`, and alone reads ca-key
  --zone-id ID            Route 53 zone in which the name is made; none: you make a CNAME
  --alarm-email ADDRESS   who is told
  --image NAME:TAG        what runs first; else the tag `initial` of the repository that is made
  --size NAME             dev, sit or prod: whose .tfvars the sizes are taken from (the environment's, else prod)
  --var NAME=VALUE        one more variable of Terraform; may be given several times
  --output-dir DIRECTORY  where bootstrap puts the admin's files (./ENVIRONMENT-certs)
  --plan-only             ends after the plan, and changes nothing in the deployment
  --no-bootstrap          ends after the apply
  -y, --yes               does not ask; what is missing is an error
  --help

Exit code: 0 done, 1 a step failed (its message says what to do), 2 usage, 9 you said no.
Needs bash, Terraform 1.11, the AWS CLI (1 or 2) and openssl; Node 24 for bootstrap.
TEXT
}

die() {
  printf '\nsetup.sh: %s\n' "$1" >&2
  [ -z "${2:-}" ] || printf '  next: %s\n' "$2" >&2
  exit "${3:-1}"
}
step() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
infra=$(dirname "$here")
root=$infra/examples/production

# As in examples/production; somebody with two applications in an account has a root module of their own.
application=airunner
environment=
domain=
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
admin_role_arn=
zone_id=
alarm_email=
image=
size=
output_dir=
extra=()
plan_only=no
bootstrap=yes
yes=no
while [ $# -gt 0 ]; do
  case $1 in
    --environment | --domain | --region | --admin-role-arn | --zone-id | --alarm-email | --image | --size | --output-dir)
      [ $# -ge 2 ] || die "$1 needs a value" 'See setup.sh --help.' 2
      flag=${1#--}
      printf -v "${flag//-/_}" '%s' "$2"
      shift
      ;;
    --var)
      [ $# -ge 2 ] || die "$1 needs a value" 'See setup.sh --help.' 2
      extra+=("-var=$2")
      shift
      ;;
    --plan-only) plan_only=yes ;;
    --no-bootstrap) bootstrap=no ;;
    -y | --yes) yes=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) die "unknown: $1" 'See setup.sh --help.' 2 ;;
  esac
  shift
done

# answer VARIABLE QUESTION PATTERN EXPECTED [optional]   asks until what was said has the shape.
answer() {
  local variable=$1 question=$2 pattern=$3 expected=$4 optional=${5:-} said=${!1}
  while :; do
    if [ -n "$said" ] && [[ $said =~ $pattern ]]; then break; fi
    if [ -z "$said" ] && [ -n "$optional" ] && { [ "$yes" = yes ] || [ ! -t 0 ]; }; then break; fi
    [ -z "$said" ] || printf '   %s: found %s, expected %s\n' "$question" "$said" "$expected" >&2
    if [ "$yes" = yes ] || [ ! -t 0 ]; then
      die "--${variable//_/-} is ${said:-missing}" "Write $expected." 2
    fi
    read -r -p "   $question ($expected${optional:+; empty for none}): " said
    if [ -z "$said" ] && [ -n "$optional" ]; then break; fi
  done
  printf -v "$variable" '%s' "$said"
}

# agree QUESTION   ends with 9 when the answer is no.
agree() {
  [ "$yes" = no ] || return 0
  [ -t 0 ] || die "nobody is there to be asked: $1" 'Give --yes.' 2
  local said
  read -r -p "   $1 [y/N] " said
  [[ $said =~ ^[yY] ]] || die 'stopped: nothing was changed by this step' 'Run it again when you are ready: it goes on here.' 9
}

export AWS_PAGER=''
ask_aws() { aws --region "$region" --output text "$@"; }

step '1/9 tools'
for tool in terraform aws openssl; do
  command -v "$tool" >/dev/null || die "$tool is not installed" "Install $tool and have it on the PATH."
done
version=$(terraform version | sed -n '1s/^Terraform v//p')
case $version in
  1.1[1-9].* | 1.[2-9][0-9].* | [2-9].*) note "terraform $version, $(aws --version 2>&1 | cut -d ' ' -f 1)" ;;
  *) die "terraform is $version" 'Install 1.11 or newer: older ones write secrets into the state.' ;;
esac

step '2/9 questions'
answer environment 'Environment' '^[a-z][a-z0-9]{1,11}$' '2 to 12 lower-case letters and digits, such as prod'
answer region 'Region' '^[a-z]{2}(-[a-z]+)+-[0-9]$' 'a region, such as us-east-1'
answer domain 'Domain' '^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])$' 'a lower-case domain, such as example.com'
answer admin_role_arn 'Role of the administrator' '^arn:[^:]+:iam::[0-9]{12}:role/.+$' 'arn:aws:iam::ACCOUNT:role/NAME'
answer alarm_email 'E-mail for alarms' '^[^@ ]+@[^@ ]+\.[^@ ]+$' 'an address' optional
answer zone_id 'Route 53 zone' '^Z[A-Z0-9]+$' 'the id of a hosted zone' optional
if [ -z "$size" ]; then
  size=$environment
  [ -e "$root/$size.tfvars" ] || size=prod
fi
[ -e "$root/$size.tfvars" ] || die "--size is $size" 'Write dev, sit or prod.' 2
prefix=$application-$environment
[ ${#prefix} -le 25 ] || die "$prefix has ${#prefix} characters" 'Write shorter names: load balancers leave room for 25.' 2
output_dir=${output_dir:-./$environment-certs}
note "$prefix.$domain in $region, as large as $size"

step '3/9 account'
caller=$(ask_aws sts get-caller-identity --query '[Account, Arn]' 2>&1) || die "AWS does not know you: $caller" 'Log in (aws sso login, AWS_PROFILE), then run it again.'
account=$(cut -f 1 <<<"$caller")
note "account $account, as $(cut -f 2 <<<"$caller")"
[ "$(cut -d : -f 5 <<<"$admin_role_arn")" = "$account" ] || die "$admin_role_arn is of another account" "Log in to its account, or name a role of $account."
role=${admin_role_arn##*/}
ask_aws iam get-role --role-name "$role" --query Role.Arn >/dev/null 2>&1 ||
  die "there is no role $role, or you may not see it" 'Make it (docs/bootstrap.md has its policy), then run it again: its name goes into policies that AWS checks.'
note "the role $role is there"
zones=$(ask_aws ec2 describe-availability-zones --filters Name=opt-in-status,Values=opt-in-not-required Name=state,Values=available \
  --query 'AvailabilityZones[].ZoneName' | tr '\t' '\n' | sort | head -n 3)
[ "$(grep -c . <<<"$zones")" = 3 ] || die "$region has fewer than three zones for this account" 'Choose another region.'
# Hints alone: limits can be raised, and some are not to be read.
addresses=$(ask_aws ec2 describe-addresses --query 'length(Addresses)' 2>/dev/null || echo 0)
networks=$(ask_aws ec2 describe-vpcs --query 'length(Vpcs)' 2>/dev/null || echo 0)
[ "$addresses" -le 2 ] || note "hint: $addresses elastic addresses are in use; a new account may have 5, and up to 3 are needed"
[ "$networks" -le 4 ] || note "hint: $networks VPCs are there; a new account may have 5"
agree "Deploy to account $account?"

step '4/9 the bucket of the state'
bucket=$application-terraform-state-$account
state_key=$environment/$application.tfstate
if ask_aws s3api head-bucket --bucket "$bucket" >/dev/null 2>&1; then
  note "$bucket is there"
else
  note "$bucket is made by infra/bootstrap"
  agree 'Make it?'
  terraform -chdir="$infra/bootstrap" init -input=false >/dev/null || die 'terraform init of infra/bootstrap failed' 'Its message is above.'
  terraform -chdir="$infra/bootstrap" apply -input=false -auto-approve -var "application=$application" -var "region=$region" ||
    die 'the bucket was not made, or not finished' 'Its message is above. Mend it and run this again: it goes on here.'
fi

step '5/9 variables'
# Answers alone; sizes stay in the file of the size, where they are read and changed.
tfvars=$root/setup-$environment.tfvars
quoted() { if [ -n "$1" ]; then printf '"%s"' "$1"; else printf 'null'; fi; }
# shellcheck disable=SC2086 # three words, one for each zone
{
  echo "# Written by infra/scripts/setup.sh; read after $size.tfvars. No secret is in it."
  echo "environment = $(quoted "$environment")"
  echo "region = $(quoted "$region")"
  printf 'availability_zones = ["%s", "%s", "%s"]\n' $zones
  echo "domain = $(quoted "$domain")"
  echo "zone_id = $(quoted "$zone_id")"
  echo "admin_role_arn = $(quoted "$admin_role_arn")"
  echo "alarm_email = $(quoted "$alarm_email")"
  echo "github_repository = null"
  [ -z "$image" ] || echo "image = $(quoted "$image")"
} | terraform fmt - >"$tfvars.new" || die 'the answers make no variables' 'Look for quotes and backslashes in them.'
mv "$tfvars.new" "$tfvars"
note "$tfvars"

step '6/9 plan'
# A folder of its own for each environment, or one's state would be taken for another's.
export TF_DATA_DIR=$root/.terraform/$environment
terraform -chdir="$root" init -input=false -reconfigure -backend-config="bucket=$bucket" -backend-config="region=$region" -backend-config="key=$state_key" >"$root/.terraform-init.log" 2>&1 ||
  { cat "$root/.terraform-init.log" >&2; die 'terraform init failed' 'Its message is above; a state that is locked: terraform force-unlock, if nobody else is at work.'; }
rm -f "$root/.terraform-init.log"
plan=$environment.tfplan
trap 'rm -f "$root/$plan"' EXIT
# `changes` is then 0 or 2: nothing, or something is to be changed.
make_plan() {
  changes=0
  terraform -chdir="$root" plan -input=false -detailed-exitcode -out="$plan" -var-file="$size.tfvars" -var-file="setup-$environment.tfvars" ${extra[@]+"${extra[@]}"} || changes=$?
  case $changes in
    0) note 'nothing is to be changed' ;;
    2) ;;
    *) die 'the plan failed' 'Its message is above; what to write is in it. Mend it and run this again.' ;;
  esac
}
apply_plan() {
  [ "$changes" = 2 ] || return 0
  agree 'Apply this plan?'
  terraform -chdir="$root" apply -input=false "$plan" ||
    die 'the apply stopped half-way' 'Its message is above. What was made is in the state: mend the cause and run this again.'
}
make_plan
if [ "$plan_only" = yes ]; then exit 0; fi
apply_plan

step '7/9 bootstrap'
command=$(terraform -chdir="$root" output -raw bootstrap_command)
# The whole name of the admin's folder is ours to say.
command=${command%% --output-dir *}
note "$command --output-dir $output_dir"
if [ "$bootstrap" = no ]; then
  note "left out; run it as $admin_role_arn, apply once more, then infra/scripts/verify.sh"
  exit 0
fi
wanted=$(terraform -chdir="$root" output -json airunner | sed -n 's/.*"image": *"\([^"]*\)".*/\1/p')
repository=$(terraform -chdir="$root" output -json airunner | sed -n 's/.*"ecr_repository_url": *"\([^"]*\)".*/\1/p')
if [ -n "$repository" ] && [ "${wanted%:*}" = "$repository" ]; then
  images=$(ask_aws ecr describe-images --repository-name "$prefix" --image-ids "imageTag=${wanted##*:}" --query 'length(imageDetails)' 2>/dev/null || echo 0)
  [ "$images" -gt 0 ] ||
    die "the image $wanted is not there yet" "Build and push it (docker/, or the pipeline), then run this again with the same answers: it goes on here."
fi
if command -v airunner >/dev/null; then
  airunner=(airunner)
elif [ -e "$infra/../node_modules/.bin/node" ]; then
  airunner=("$infra/../node_modules/.bin/node" "$infra/../src/cli/main.ts")
else
  die 'airunner is not installed' 'npm ci in the repository, or install the package; then run this again.'
fi
agree "Run it now, with these credentials? They must be of $admin_role_arn."
read -r -a words <<<"${command#airunner }"
"${airunner[@]}" "${words[@]}" --output-dir "$output_dir" || die 'bootstrap stopped' 'Its message is above. Run this again: it goes on where it stopped.'

# The first apply gave autoscaling a minimum of 0, or it would have started tasks without their secrets.
step '8/9 the minimum of autoscaling'
make_plan
apply_plan

step '9/9 verification'
"$here/verify.sh" --application "$application" --environment "$environment" --region "$region" --domain "$domain" --admin-role "$admin_role_arn" ||
  die 'a promise is not kept' 'The lines that begin with FAIL say what to do. Targets take a minute or two to become healthy: infra/scripts/verify.sh can be run again.'
note "The plane answers at https://$prefix.$domain"
[ -n "$zone_id" ] || note "Point the name to $(terraform -chdir="$root" output -json airunner | sed -n 's/.*"load_balancer_dns_name": *"\([^"]*\)".*/\1/p') (CNAME)"
