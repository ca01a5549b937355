"""Python runs this file at its start when its folder is on PYTHONPATH. It corrects the emulator where it decides by IAM
in another way than AWS does, and policies of infra/ would be refused for that."""

import contextvars
import json

try:
    from ministack.core import iam_actions, iam_evaluator
except ImportError:  # another Python program that was started from here
    iam_evaluator = None


def principal_arn_of_the_role(resolve):
    """aws:PrincipalArn of a session is the ARN of its role (IAM User Guide, global condition keys), not the session's."""

    def resolved(key, context):
        value = resolve(key, context)
        if key.lower() != "aws:principalarn" or ":assumed-role/" not in value:
            return value
        _, partition, _, _, account, resource = value.split(":", 5)
        return f"arn:{partition}:iam::{account}:role/{resource.split('/')[1]}"

    return resolved


def as_if_over_tls(resolve):
    """aws:SecureTransport: plain HTTP on the loopback stands for the HTTPS that everybody speaks with AWS."""

    def resolved(key, context):
        return "true" if key.lower() == "aws:securetransport" else resolve(key, context)

    return resolved


asked = contextvars.ContextVar("asked", default={})


def remembering_what_was_asked(extract):
    def extracted(service, method, path, headers, body, query, region, account):
        try:
            call = json.loads(body) if service in ("kms", "ssm") else {}
        except ValueError:
            call = {}
        asked.set({**call, "account": account})
        return extract(service, method, path, headers, body, query, region, account)

    return extracted


def parameters_of(call, region):
    """ssm:GetParameters is decided for each parameter that is asked for (Service Authorization Reference), not for "*"."""
    return [
        name if name.startswith("arn:") else f"arn:aws:ssm:{region}:{call['account']}:parameter/{name.lstrip('/')}"
        for name in call.get("Names", [])
    ]


def keys_of(call):
    """Condition keys of KMS (Developer Guide, "AWS KMS condition keys") that policies of infra/ name. A call that came
    through another service would have kms:ViaService as well; none does here."""
    values = {
        "kms:CallerAccount": call.get("account"),
        "kms:MessageType": call.get("MessageType"),
        "kms:SigningAlgorithm": call.get("SigningAlgorithm"),
    }
    return {name: value for name, value in values.items() if value}


def with_leading_keys(context_of):
    """dynamodb:LeadingKeys are the partitions that a call names (DynamoDB Developer Guide, condition keys). Of those of our
    tables, `pk` is the control table's, the only one whose partitions a policy names."""

    def contextual(body):
        call = json.loads(body or b"{}")
        items = [detail for item in call.get("TransactItems", []) for detail in item.values()] or [call]
        rows = [item.get("Key") or item.get("Item") or {} for item in items]
        keys = [row["pk"]["S"] for row in rows if "S" in row.get("pk", {})]
        return {**context_of(body), **({"dynamodb:LeadingKeys": keys} if keys else {})}

    return contextual


def as_aws_decides(enforce):
    def enforced(access_key, action, service, region, resource_arn="*", service_context=None):
        call = asked.get()
        resources = parameters_of(call, region) if action == "ssm:GetParameters" else []
        context = {**keys_of(call), **(service_context or {})} if service == "kms" else service_context
        for resource in resources or [resource_arn]:
            denied = enforce(access_key, action, service, region, resource_arn=resource, service_context=context)
            if denied:
                return denied
        return None

    return enforced


if iam_evaluator is not None:
    iam_evaluator._resolve_condition_key = as_if_over_tls(principal_arn_of_the_role(iam_evaluator._resolve_condition_key))
    iam_actions.extract_resource_arn = remembering_what_was_asked(iam_actions.extract_resource_arn)
    iam_actions.dynamodb_service_context = with_leading_keys(iam_actions.dynamodb_service_context)
    iam_evaluator.enforce = as_aws_decides(iam_evaluator.enforce)
