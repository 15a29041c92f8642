"""NetworkPolicies as a cluster applies them: nothing but the calls that the platform makes."""

import pytest

from siyu_client.platform.services import SERVICES
from support import helm

GRPC, PEERS = 9090, {spec.name: set(spec.peers) for spec in SERVICES}
STORED = {"identity", "analytics", "profile", "segment", "touch"}
STREAMING = {"collect", "identity", "analytics", "profile", "segment"}


class Cluster:
    """Pods and policies of the release; ``reaches`` decides as Kubernetes' documentation says."""

    def __init__(self, manifests):
        self.pods = {
            pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod
            for pod in helm.pods(manifests).values()
        }
        self.policies = list(helm.of_kind(manifests, "NetworkPolicy").values())

    def reaches(self, source, target, port):
        outgoing = self._rules(source, "Egress")
        incoming = self._rules(target, "Ingress")
        return self._allows(outgoing, "to", target, port) and self._allows(
            incoming, "from", source, port
        )

    def _rules(self, component, direction):
        chosen = [
            policy["spec"]
            for policy in self.policies
            if direction in policy["spec"]["policyTypes"]
            and _selects(policy["spec"]["podSelector"], self.pods[component])
        ]
        assert chosen, f"{component} is under no policy"
        return [rule for spec in chosen for rule in spec.get(direction.lower()) or []]

    def _allows(self, rules, side, other, port):
        return any(
            self._at(rule, port, other if side == "to" else None)
            and (side not in rule or any(self._is(peer, other) for peer in rule[side]))
            for rule in rules
        )

    def _at(self, rule, port, target):
        wanted = {item["port"] for item in rule.get("ports", [])}
        return not wanted or bool(wanted & {port, *_names(self.pods, port, target)})

    def _is(self, peer, component):
        return "podSelector" in peer and _selects(peer["podSelector"], self.pods[component])


def _selects(selector, pod):
    labels = pod["metadata"]["labels"]
    return all(labels.get(key) == value for key, value in selector["matchLabels"].items())


def _names(pods, number, component):
    """The names that a port number has: in the target, or anywhere when the target is asking."""
    asked = pods.values() if component is None else [pods[component]]
    return {
        port["name"]
        for pod in asked
        for port in helm.container(pod).get("ports", [])
        if port["containerPort"] == number
    }


@pytest.fixture(scope="module")
def cluster():
    return Cluster(helm.rendered())


@pytest.mark.parametrize("source", PEERS)
@pytest.mark.parametrize("target", PEERS)
def test_services_reach_their_peers_and_nobody_else(cluster, source, target):
    assert cluster.reaches(source, target, GRPC) is (target in PEERS[source])


def test_stores_are_reached_by_who_has_something_in_them(cluster):
    for name in PEERS:
        assert cluster.reaches(name, "postgresql", 5432) is (name in STORED)
        assert cluster.reaches(name, "redis", 6379) is (name in STREAMING)
    assert cluster.reaches("migrate", "postgresql", 5432)
    assert not cluster.reaches("migrate", "redis", 6379)
    assert not cluster.reaches("smoke", "postgresql", 5432)


def test_the_test_reaches_every_service(cluster):
    assert all(cluster.reaches("smoke", name, GRPC) for name in PEERS)


def test_nothing_but_names_leaves_to_anywhere(cluster):
    for policy in cluster.policies:
        for rule in policy["spec"].get("egress") or []:
            assert "to" in rule or {port["port"] for port in rule["ports"]} == {53}, policy


def test_outside_stores_are_the_only_addresses_outside():
    policies = helm.of_kind(helm.rendered(helm.ci_values("production")), "NetworkPolicy")
    (database,) = [
        rule
        for rule in policies["siyu-identity"]["spec"]["egress"]
        if rule["ports"] == [{"port": 5432, "protocol": "TCP"}]
    ]
    assert database["to"] == [{"ipBlock": {"cidr": "192.0.2.0/28"}}]
    ports = {
        port["port"]
        for policy in policies.values()
        for rule in policy["spec"].get("egress") or []
        for port in rule["ports"]
        if "to" not in rule
    }
    assert ports == {53, 6379, 4317, 443}


def test_an_engine_elsewhere_is_reached_by_analytics_alone():
    engine = {"existingSecret": "own", "port": 9440, "to": [{"ipBlock": {"cidr": "192.0.2.32/32"}}]}
    policies = helm.of_kind(helm.rendered({"engine": engine}), "NetworkPolicy")
    way = {"ports": [{"port": 9440, "protocol": "TCP"}], "to": engine["to"]}
    reaching = [
        name for name, policy in policies.items() if way in (policy["spec"].get("egress") or [])
    ]
    assert reaching == ["siyu-analytics"]


def test_the_switch():
    assert not helm.of_kind(helm.rendered({"networkPolicy": {"enabled": False}}), "NetworkPolicy")
