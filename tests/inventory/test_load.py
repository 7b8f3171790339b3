import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flowlens.errors import InventoryError
from flowlens.inventory import Inventory, load, owners

Item = dict[str, Any]
History = Callable[..., Inventory]

TIME = datetime(2026, 3, 1, 10, tzinfo=UTC)


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "describe-network-interfaces.json",
        "describe_network_interfaces.json",
        "ec2.describe_network_interfaces.json",
        "ec2-describe-network-interfaces.json",
        "aws-ec2-describe-network-interfaces.json",
    ],
)
def test_answers_of_the_cli_make_one_capture(
    tmp_path: Path, face: Callable[..., Item], name: str
) -> None:
    """Files named after the call are read; the time is the interfaces' file's, as a note says."""
    path = write(tmp_path / name, {"NetworkInterfaces": [face("eni-1", "10.0.0.1")]})
    write(tmp_path / "list-functions.json", {"Functions": []})
    write(tmp_path / "get-caller-identity.json", {"Account": "111122223333", "UserId": "x"})
    os.utime(path, (TIME.timestamp(), TIME.timestamp()))
    inventory = load(tmp_path)
    (capture,) = inventory.captures
    assert (capture.captured_at, capture.account_id) == (TIME, "111122223333")
    assert owners(inventory)["interface_id"].to_list() == ["eni-1"]
    assert inventory.missing("lambda.list_functions") is None
    assert "last written, 2026-03-01 10:00:00Z" in inventory.notes[0]


def test_a_stated_time_beats_the_file_time(tmp_path: Path) -> None:
    """A captured_at key in one of the CLI's files is the time of the capture."""
    write(tmp_path / "describe-vpcs.json", {"Vpcs": [], "captured_at": "2026-03-01T11:00:00+01:00"})
    inventory = load(tmp_path)
    assert (inventory.captures[0].captured_at, inventory.notes) == (TIME, ())


def test_prefix_list_files_name_their_list(tmp_path: Path) -> None:
    """The CLI's answer does not say of which list the entries are, so the file's name does."""
    lists = [{"PrefixListId": "pl-1", "PrefixListName": "s3"}, {"PrefixListId": "pl-2"}]
    write(tmp_path / "describe-managed-prefix-lists.json", {"PrefixLists": lists})
    entries = {"Entries": [{"Cidr": "52.216.0.0/15"}]}
    write(tmp_path / "get-managed-prefix-list-entries.pl-1.json", entries)
    found = load(tmp_path).prefix_lists.select("prefix_list_id", "name", "cidrs")
    assert found.rows() == [("pl-1", "s3", ["52.216.0.0/15"]), ("pl-2", None, None)]


def test_an_empty_file_is_a_call_that_failed(tmp_path: Path) -> None:
    """`aws … > file` leaves an empty file behind: unknown, not empty."""
    write(tmp_path / "describe-vpcs.json", {"Vpcs": []})
    (tmp_path / "list-functions.json").touch()
    inventory = load(tmp_path)
    assert inventory.answered("lambda.list_functions") == ()
    assert "list-functions.json is empty" in str(inventory.missing("lambda.list_functions"))


def test_a_folder_is_a_history_by_time(tmp_path: Path) -> None:
    """Captures are sorted by their time, whatever their names, folders of the CLI's files too."""
    empty: Item = {"calls": {"ec2.describe_vpcs": {"Vpcs": []}}}
    write(tmp_path / "a.json", {"captured_at": "2026-03-01T12:00:00Z", **empty})
    write(tmp_path / "b.json", {"captured_at": "2026-03-01T10:00:00", **empty})
    folder = tmp_path / "cli"
    write(folder / "describe-vpcs.json", {"Vpcs": [], "captured_at": "2026-03-01T11:00:00Z"})
    inventory = load(tmp_path)
    assert [capture.captured_at.hour for capture in inventory.captures] == [10, 11, 12]


def test_other_files_are_named_in_a_note(tmp_path: Path) -> None:
    """A JSON file that is no part of an inventory is skipped, and said to be."""
    write(tmp_path / "describe-vpcs.json", {"Vpcs": [], "captured_at": "2026-03-01T11:00:00Z"})
    write(tmp_path / "package.json", {"name": "x"})
    assert load(tmp_path).notes == (
        f"{tmp_path / 'package.json'}: skipped, neither a capture nor named after a call",
    )


BAD = [
    ("x.json", "{", "not JSON"),
    ("x.json", "[]", "Expected `object`, got `array`"),
    ("x.json", '{"calls": {}}', "missing required field `captured_at`"),
    ("x.json", '{"captured_at": "2026-03-01"}', "missing required field `calls`"),
    ("x.json", '{"captured_at": "soon", "calls": {}}', "captured_at is 'soon'"),
    ("x.json", '{"captured_at": "2026-03-01", "calls": {"a": []}}', "got `array` - at `$.calls"),
    (
        "x.json",
        '{"captured_at": "2026-03-01", "calls": {"ec2.describe_vpcs": {"Subnets": []}}}',
        "ec2.describe_vpcs holds no list Vpcs",
    ),
    ("describe-vpcs.json", '{"Subnets": []}', "ec2.describe_vpcs holds no list Vpcs"),
    ("describe-vpcs.json", "[]", "ec2.describe_vpcs holds no list Vpcs"),
    ("get-managed-prefix-list-entries.json", '{"Entries": []}', "of which list?"),
    ("x.json", "\udcff", "not JSON"),
]


@pytest.mark.parametrize(("name", "text", "said"), BAD)
def test_a_bad_file_is_one_line_that_names_it(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    """Whatever is wrong with a file, the error is one line with its name and the reason."""
    path = tmp_path / name
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InventoryError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_type_inside_an_answer_names_file_and_call(
    tmp_path: Path, history: History
) -> None:
    """An item that AWS would not answer is an error when its table is made."""
    inventory = history({10: {"ec2.describe_vpcs": [{"VpcId": ["x"]}]}})
    with pytest.raises(InventoryError, match=r"\.json: ec2\.describe_vpcs: not what AWS answers"):
        assert inventory.vpcs.height


@pytest.mark.parametrize("name", ["", "nothing"])
def test_no_inventory_is_an_error(tmp_path: Path, name: str) -> None:
    """An empty folder and a path that is not there are named."""
    with pytest.raises(InventoryError, match=str(tmp_path)):
        load(tmp_path / name)


def test_two_files_of_one_call_are_an_error(tmp_path: Path) -> None:
    """Two answers of the same call in a folder contradict each other."""
    write(tmp_path / "describe-vpcs.json", {"Vpcs": []})
    write(tmp_path / "ec2.describe_vpcs.json", {"Vpcs": []})
    with pytest.raises(InventoryError, match="a second file that answers"):
        load(tmp_path)


def test_a_needed_call_that_is_missing_is_named(history: History) -> None:
    """`need` raises with file and reason; `missing` says it without raising."""
    inventory = history({10: {"functions": []}})
    with pytest.raises(InventoryError, match=r"10\.json: ec2\.describe_network_interfaces is miss"):
        inventory.need("ec2.describe_network_interfaces")
    inventory.need("lambda.list_functions")


def test_some_items_missing_is_missing(history: History) -> None:
    """Entries of one prefix list were denied: the call is not complete, the others are there."""
    inventory = history(
        {
            10: {
                "ec2.get_managed_prefix_list_entries": {"pl-1": {"Entries": []}},
                "errors": {"ec2.get_managed_prefix_list_entries:pl-2": "AccessDenied: no"},
            }
        }
    )
    assert str(inventory.missing("ec2.get_managed_prefix_list_entries")).endswith(
        "pl-2: AccessDenied: no"
    )


def test_gaps_say_what_cannot_be_said(history: History) -> None:
    """A missing call that matters is a sentence with its effect; a full inventory has none."""
    full: Item = {"interfaces": [], "ec2.describe_vpcs": [], "ec2.describe_nat_gateways": []}
    inventory = history({10: {**full, "errors": {"lambda.list_functions": "AccessDenied: no"}}})
    assert inventory.gaps == (
        "lambda.list_functions is missing; 2026-03-01T10:00:00+00:00: AccessDenied: no: "
        "which functions use an interface then is unknown",
    )
    assert history({10: {**full, "functions": []}}).gaps == ()


def test_functions_without_versions_are_noted(
    tmp_path: Path, function: Callable[..., Item]
) -> None:
    """The CLI's list-functions leaves published versions out unless it is told otherwise."""
    write(tmp_path / "list-functions.json", {"Functions": [function("a")]})
    assert "--function-version ALL" in load(tmp_path).notes[1]
