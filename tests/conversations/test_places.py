import json
from pathlib import Path
from typing import Any

from flowlens.inventory import load


def said(interface: str, source: str, target: str, **extra: Any) -> dict[str, Any]:
    return {"interface_id": interface, "srcaddr": source, "dstaddr": target} | extra


def kept(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(r["client"], r["server"], r["observer"], r["vantage"]) for r in rows]


def test_an_interface_of_both_families_is_known_by_both_addresses(talk: Any) -> None:
    """No address is in all records of a dual-stack interface; the one in most is its own."""
    rows = [
        said(eni, source, target)
        for source, target in (
            ("10.0.0.5", "10.0.0.9"),
            ("10.0.0.5", "10.0.0.8"),
            ("fd00::5", "fd00::9"),
            ("fd00::5", "fd00::8"),
        )
        for eni in ("eni-z5", f"eni-{target[-1]}")
    ]
    assert {row[2:] for row in kept(talk(rows))} == {("eni-z5", "client")}


def test_of_a_single_pair_the_address_that_fewer_observers_know_is_own(talk: Any) -> None:
    """Two clients with one server and nothing else: the server, seen everywhere, is not theirs."""
    clients = [said(f"eni-z{n}", f"10.0.0.{n}", "10.0.0.9") for n in (5, 6)]
    server = [said("eni-server", f"10.0.0.{n}", "10.0.0.9") for n in (5, 6)]
    assert kept(talk(clients + server)) == [
        ("10.0.0.5", "10.0.0.9", "eni-z5", "client"),
        ("10.0.0.6", "10.0.0.9", "eni-z6", "client"),
    ]


def test_the_inventory_names_a_pods_interface(talk: Any, tmp_path: Path) -> None:
    """The format has no instance-id, but the pod's address is one of the node's interface."""
    node = {
        "NetworkInterfaceId": "eni-node", "InterfaceType": "interface", "Description": "",
        "RequesterManaged": False, "VpcId": "vpc-1", "SubnetId": "subnet-1", "Groups": [],
        "PrivateIpAddresses": [
            {"PrivateIpAddress": "10.0.5.10", "Primary": True},
            {"PrivateIpAddress": "10.0.5.100", "Primary": False},
        ],
    }  # fmt: skip
    capture = {
        "captured_at": "2026-11-21T10:00:00Z", "account_id": "123456789012",
        "region": "us-east-1", "errors": {},
        "calls": {"ec2.describe_network_interfaces": {"NetworkInterfaces": [node]}},
    }  # fmt: skip
    path = tmp_path / "capture.json"
    path.write_text(json.dumps(capture))
    packet = {"pkt_srcaddr": "10.0.5.100", "pkt_dstaddr": "10.0.6.1"}
    rows = [
        said("eni-node", "10.0.5.10", "10.0.6.1", **packet),
        said("eni-a", "10.0.5.100", "10.0.6.1", **packet),
        said("eni-a", "10.0.9.1", "10.0.6.1"),
    ]
    assert kept(talk(rows, inventory=load(path))) == [
        ("10.0.5.100", "10.0.6.1", "eni-node", "client"),
        ("10.0.9.1", "10.0.6.1", "eni-a", "server"),
    ]


def test_one_record_with_an_instance_makes_an_interface_an_instances(talk: Any) -> None:
    """Files of two formats: what one of them knows holds for the interface in the other too."""
    packet = {"pkt_srcaddr": "10.0.5.100", "pkt_dstaddr": "10.0.6.1"}
    rows = [
        said("eni-node", "10.0.5.10", "10.0.6.1", **packet),
        said("eni-node", "10.0.5.10", "10.0.6.2", instance_id="i-1"),
    ]
    assert {row[3] for row in kept(talk(rows))} == {"client"}


def test_a_node_that_stands_in_for_its_pods_is_no_gateway(talk: Any) -> None:
    """Without instance-id a pod's server looks like a NAT's; both the node's and the pod's stay."""
    served = {"pkt_srcaddr": "10.0.7.1", "pkt_dstaddr": "10.0.5.100"}
    pod = {"pkt_srcaddr": "10.0.5.100", "pkt_dstaddr": "10.0.6.1"}
    rows = [
        said("eni-node", "10.0.7.1", "10.0.5.10", **served),
        said("eni-node", "10.0.5.10", "10.0.6.1", **pod),
        said("eni-node", "10.0.5.10", "10.0.6.1", pkt_srcaddr="10.0.5.10", pkt_dstaddr="10.0.6.1"),
    ]
    talks = talk(rows)
    assert [(r["client"], r["server"], r["leg"]) for r in talks] == [
        ("10.0.5.10", "10.0.6.1", None),
        ("10.0.5.100", "10.0.6.1", None),
        ("10.0.7.1", "10.0.5.100", None),
    ]
