#!/usr/bin/env python3
"""Cuts the part that stacktape.yml needs out of Stacktape's schema: extract.py config-schema.json > schema.json

Stacktape's repository has the whole as @generated/schemas/config-schema.json. What is kept stands as it is there, without
what is for readers and editors. Of a union, the members that are kept remain; whatever else refers to a definition that is
not kept may be anything.
"""

import json
import sys

ROOT = ["serviceName", "providerConfig", "scripts", "resources"]
KEPT = """
    UpstashProvider LocalScript LocalScriptProps EnvironmentVar StacktapeResourceDefinition
    ApplicationLoadBalancer ApplicationLoadBalancerProps UpstashRedis UpstashRedisProps RedisCluster RedisClusterProps
    ContainerWorkload ContainerWorkloadProps ContainerWorkloadContainer ContainerWorkloadResourcesConfig
    ContainerWorkloadScaling ContainerWorkloadScalingPolicy LoadBalancerHealthCheck
    ContainerWorkloadContainerPackaging CustomDockerfileCwImagePackaging CustomDockerfileCwImagePackagingProps
    ContainerWorkloadLoadBalancerIntegration ContainerWorkloadLoadBalancerIntegrationProps
""".split()
FOR_READERS = ["description", "markdownDescription", "examples", "x-stp-focus"]


def kept(schema):
    return "$ref" not in schema or schema["$ref"].rpartition("/")[2] in KEPT


def cut(schema):
    """A schema without what is not kept. Its keywords' values are schemas, maps or lists of schemas, or plain data."""
    if not isinstance(schema, dict):
        return schema
    members = [member for member in schema.get("anyOf", [{}]) if kept(member)]
    if not kept(schema) or not members:
        return {}
    small = {}
    for keyword, value in schema.items():
        if keyword in FOR_READERS:
            continue
        if keyword == "anyOf":
            value = [cut(member) for member in members]
        elif keyword == "properties":
            value = {name: cut(property) for name, property in value.items()}
        elif keyword in ("items", "additionalProperties"):
            value = cut(value)
        small[keyword] = value
    return small


def main(path):
    with open(path, encoding="utf-8") as file:
        whole = json.load(file)
    definitions = {name: cut(whole["definitions"][name]) for name in sorted(KEPT)}
    root = {**whole, "properties": {name: whole["properties"][name] for name in ROOT}}
    json.dump({**cut(root), "definitions": definitions}, sys.stdout, indent=1)
    print()


main(*sys.argv[1:])
