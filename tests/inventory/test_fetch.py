import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from flowlens.errors import AccessError, UsageError
from flowlens.inventory import CALLS, load, owners, policy, snapshot
from flowlens.inventory.calls import call
from flowlens.inventory.fetch import answer
from flowlens.sources import Aws, session

Client = Callable[[str], Any]
NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.fixture
def aws(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The test's AWS, asked once per call: its errors are not worth a second try."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return Aws(endpoint_url=aws_server)


def test_a_snapshot_is_an_inventory(aws: Aws, aws_client: Client, tmp_path: Path) -> None:
    """What is captured loads again: interface, function and prefix list are there."""
    ec2 = aws_client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.describe_security_groups()["SecurityGroups"][0]
    made = ec2.create_network_interface(
        SubnetId=subnet["SubnetId"],
        Groups=[group["GroupId"]],
        Description="AWS Lambda VPC ENI-orders-0eabb672-9699-4752-8738-38b7379f118b",
    )["NetworkInterface"]
    _function(aws_client, subnet["SubnetId"], group["GroupId"])
    seen: list[str] = []
    document = snapshot(NOW, aws=aws, progress=seen.append)
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(document))
    inventory = load(path)
    rows = owners(inventory).filter(interface_id=made["NetworkInterfaceId"]).to_dicts()
    assert [(row["kind"], row["owner"], row["certainty"]) for row in rows] == [
        ("lambda", ["orders"], "exact")
    ]
    assert seen == [each.name for each in CALLS]
    assert (document["captured_at"], document["region"]) == (NOW.isoformat(), "us-east-1")
    assert document["account_id"] == "123456789012"
    assert inventory.prefix_lists["cidrs"].list.len().sum() > 0
    assert "s3cret" not in path.read_text()


def _function(aws_client: Client, subnet: str, group: str) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = aws_client("iam").create_role(
        RoleName="lambda", AssumeRolePolicyDocument=json.dumps(trust)
    )
    aws_client("lambda").create_function(
        FunctionName="orders",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="x.y",
        Code={"ZipFile": b"UEs="},
        VpcConfig={"SubnetIds": [subnet], "SecurityGroupIds": [group]},
        Environment={"Variables": {"PASSWORD": "s3cret"}},
    )


def test_a_failed_call_is_recorded_and_stops_nothing(aws: Aws) -> None:
    """The server answers some calls with an error page: they are errors, never empty answers."""
    document = snapshot(NOW, aws=aws)
    names = {name.partition(":")[0] for name in document["errors"]}
    assert "ec2.describe_vpc_block_public_access_options" in names
    assert not names & set(document["calls"])
    assert set(document["calls"]) | names == {each.name for each in CALLS}
    assert all("\n" not in text for text in document["errors"].values())


def test_every_request_is_in_the_policy_and_only_reads(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes over the wire is exactly what the policy allows, and none of it writes."""
    sent: set[str] = set()

    def spy(service: str, where: Aws) -> Any:
        made = original(service, where)

        def note(model: Any, **_: Any) -> None:
            sent.add(f"{model.service_model.signing_name}:{model.name}")

        made.meta.events.register("before-call", note)
        return made

    original = session.client
    monkeypatch.setattr("flowlens.inventory.fetch.client", spy)
    snapshot(NOW, aws=aws)
    allowed = set(policy()["Statement"][0]["Action"])
    assert "ec2:DescribeNetworkInterfaces" in sent
    assert sent <= allowed
    assert all(re.fullmatch(r"[a-z0-9]+:(Describe|List|Get)[A-Za-z]+", name) for name in allowed)


def test_pages_are_merged() -> None:
    """Two pages of interfaces are one answer without a token."""
    client = boto3.client(
        "ec2", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    known = call("ec2.describe_network_interfaces")
    assert known is not None
    pages = [[{"NetworkInterfaceId": "eni-1"}, {"NetworkInterfaceId": "eni-2"}]]
    pages.append([{"NetworkInterfaceId": "eni-3"}])
    with Stubber(client) as stub:
        first = {"NetworkInterfaces": pages[0], "NextToken": "more"}
        stub.add_response("describe_network_interfaces", first, {})
        second = {"NetworkInterfaces": pages[1]}
        stub.add_response("describe_network_interfaces", second, {"NextToken": "more"})
        merged = answer(client, known, {})
        stub.assert_no_pending_responses()
    assert merged == {"NetworkInterfaces": pages[0] + pages[1]}


def test_a_denied_call_keeps_code_and_message() -> None:
    """The code and message are kept in a line, the encoded part only AWS can read is not."""
    from botocore.exceptions import ClientError

    from flowlens.inventory.fetch import said

    message = "You are not authorized.\nEncoded authorization failure message: 9hY3kAbc_-x"
    error = {"Error": {"Code": "UnauthorizedOperation", "Message": message}}
    found = said(ClientError(error, "DescribeVpcs"))
    assert found == "UnauthorizedOperation: You are not authorized."


def test_a_capture_needs_a_time_zone(aws: Aws) -> None:
    """A local time would put the capture at the wrong place of the history."""
    with pytest.raises(UsageError, match="no time zone"):
        snapshot(NOW.replace(tzinfo=None), aws=aws)


def test_without_credentials_it_says_so(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials: one error at the first call, not one per call."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessError, match="credentials"):
        snapshot(NOW, aws=aws)


def test_an_endpoint_that_answers_nothing_is_an_error(aws: Aws) -> None:
    """Nobody listens: no empty inventory is written."""
    with pytest.raises(AccessError, match="no call was answered"):
        snapshot(NOW, aws=Aws(endpoint_url="http://127.0.0.1:9"))


def test_the_table_of_calls_is_consistent() -> None:
    """Names are unique, the method is the IAM action's operation, and parents come first."""
    names = [each.name for each in CALLS]
    assert len(names) == len(set(names))
    for each in CALLS:
        operation = each.action.partition(":")[2]
        assert operation.lower() == each.method.replace("_", "")
        assert each.after is None or names.index(each.after) < names.index(each.name)
