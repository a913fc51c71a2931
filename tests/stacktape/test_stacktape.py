"""stacktape.yml: valid by Stacktape's schema (the part that extract.py kept), and right where a schema says nothing.

What a schema cannot know: that names refer to something, that times fit into each other, that ports agree.
"""

import json
import pathlib
import re
import unittest

import jsonschema
import yaml

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
TEXT = (PROJECT / "stacktape.yml").read_text()
SCHEMA = json.loads((HERE / "schema.json").read_text())
# The largest memory that goes with so much of a CPU on Fargate, and the smallest, in MB.
MEMORY = {0.25: (512, 2048), 0.5: (1024, 4096), 1: (2048, 8192), 2: (4096, 16384), 4: (8192, 30720)}


def with_options(text):
    """The same with all its options: of a key that is there twice then, the latter counts, as YAML's parser has it."""
    return re.sub(r"^( *)#: ", r"\1", text, flags=re.MULTILINE)


def problems(stack):
    return [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(stack)]


class Stack(unittest.TestCase):
    text = TEXT

    def setUp(self):
        self.stack = yaml.safe_load(self.text)
        self.resources = self.stack["resources"]
        self.workload = self.resources["websocketServer"]
        self.properties = self.workload["properties"]
        (self.container,) = self.properties["containers"]
        self.environment = {variable["name"]: variable["value"] for variable in self.container["environment"]}
        (self.event,) = [event["properties"] for event in self.container["events"]]

    def test_it_is_valid(self):
        self.assertEqual(problems(self.stack), [])

    def test_names_refer_to_resources(self):
        named = re.findall(r"\$ResourceParam\('(\w+)', '\w+'\)", self.text)
        named += [*self.properties["connectTo"], self.event["loadBalancerName"]]
        self.assertGreaterEqual(len(named), 3)
        self.assertLessEqual(set(named), set(self.resources))
        self.assertEqual(self.resources[self.event["loadBalancerName"]]["type"], "application-load-balancer")

    def test_the_server_knows_the_redis_by_the_variables_of_its_name(self):
        (redis,) = self.properties["connectTo"]
        parameter = {"upstash-redis": "REDIS_URL", "redis-cluster": "CONNECTION_STRING"}[self.resources[redis]["type"]]
        self.assertIn(f"`STP_{redis.upper()}_{parameter}`", (PROJECT / "README.md").read_text())

    def test_the_server_s_settings_are_in_its_table(self):
        readme = (PROJECT / "README.md").read_text()
        for name in self.environment:
            self.assertIn(f"| `{name}` |", readme)

    def test_the_port_is_the_one_that_the_balancer_asks(self):
        self.assertEqual(self.environment["PORT"], self.event["containerPort"])

    def test_the_health_check_fits_into_its_interval(self):
        check = self.container["loadBalancerHealthCheck"]
        self.assertLess(check["healthcheckTimeout"], check["healthcheckInterval"])
        self.assertEqual(check["healthcheckPath"], "/")

    def test_the_rule_has_conditions_that_a_balancer_takes(self):
        self.assertEqual(self.event["paths"], ["/", "/websockets*"])

    def test_a_task_is_one_that_fargate_has(self):
        least, most = MEMORY[self.properties["resources"]["cpu"]]
        self.assertTrue(least <= self.properties["resources"]["memory"] <= most)

    def test_the_server_knows_the_task_s_memory(self):
        self.assertEqual(self.environment["KINGLET_MEMORY"], f"{self.properties['resources']['memory']}MiB")

    def test_there_is_more_than_one_task_and_no_fewer_than_at_least(self):
        scaling = self.properties["scaling"]
        self.assertTrue(2 <= scaling["minInstances"] <= scaling["maxInstances"])

    def test_the_balancer_waits_for_a_task_as_long_as_the_platform_does(self):
        # Stacktape makes the group's name of the workload's, the balancer's and the port.
        words = ["websocketServer", self.event["loadBalancerName"], f"ToPort{self.event['containerPort']}", "TargetGroup"]
        name = "".join(word[0].upper() + word[1:] for word in words)
        attributes = self.workload["overrides"][name]["TargetGroupAttributes"]
        delay = {attribute["Key"]: attribute["Value"] for attribute in attributes}["deregistration_delay.timeout_seconds"]
        self.assertTrue(2 < self.container["stopTimeout"] <= 120)
        self.assertGreaterEqual(int(delay), self.container["stopTimeout"])

    def test_the_platform_waits_longer_than_the_server_takes_to_let_its_clients_go(self):
        readme = (PROJECT / "README.md").read_text()
        (default,) = re.findall(r"^\| `KINGLET_DRAIN` \| (\d+)s \|", readme, re.MULTILINE)
        self.assertNotIn("KINGLET_DRAIN", self.environment)
        # After the window, two seconds for clients and one for Redis.
        self.assertGreater(self.container["stopTimeout"], int(default) + 3)

    def test_the_image_is_built_from_what_is_here(self):
        packaging = self.container["packaging"]["properties"]
        self.assertTrue((PROJECT / packaging["buildContextPath"] / packaging["dockerfilePath"]).is_file())


class StackWithOptions(Stack):
    text = with_options(TEXT)

    def test_the_options_hold(self):
        self.assertEqual(self.resources["redis"]["type"], "redis-cluster")
        self.assertEqual(self.properties["resources"]["architecture"], "arm64")
        self.assertGreater(self.properties["scaling"]["maxInstances"], 2)


class Schema(unittest.TestCase):
    """That the schema would tell."""

    def refused(self, before, after):
        self.assertIn(before, TEXT)
        self.assertNotEqual(problems(yaml.safe_load(TEXT.replace(before, after))), [])

    def test_what_is_wrong_is_refused(self):
        self.refused("stopTimeout:", "stopTimeoutt:")
        self.refused("multi-container-workload", "container-workload")
        self.refused("custom-dockerfile", "dockerfile")
        self.refused("cpu: 0.25", "cpu: 0.3")
        self.refused("containerPort: 3000", "containerPort: http")
        self.refused("    accountEmail: $Secret('upstash.accountEmail')\n", "")
        self.refused("local-script", "script")


if __name__ == "__main__":
    unittest.main()
