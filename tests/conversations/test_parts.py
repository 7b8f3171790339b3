from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flowlens import load_inventory
from flowlens.conversations import conversations, packed, sorter
from flowlens.inventory import Inventory
from flowlens.records import scan_records

CASE = Path(__file__).parents[2] / "data" / "case"
START = 1_763_722_800  # 2025-11-21 11:00
HEAD = (
    "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "pkt-srcaddr pkt-dstaddr instance-id tgw-attachment-id"
)


def line(
    eni: str,
    src: str,
    dst: str,
    *,
    ports: str = "40000 443",
    at: int = 0,
    packets: int = 2,
    raw: str = "",
    last: str = "- -",
    action: str = "ACCEPT",
) -> str:
    """A record; `raw` stand in for the packet's addresses, `last` is an instance and a gateway."""
    begin = START + at
    return (
        f"{eni} {raw or f'{src} {dst}'} {ports} 6 {packets} 80 {begin} {begin + 59} {action} "
        f"{src} {dst} {last}"
    )


def several() -> Iterable[str]:
    """Three and four observers of one conversation, in two hours."""
    for at in (0, 3_600):
        for eni in ("eni-d", "eni-b", "eni-a", "eni-c"):
            if at or eni != "eni-d":
                yield line(eni, "10.0.0.1", "10.0.0.2", at=at)
        yield line("eni-a", "10.0.0.1", "10.0.0.3", at=at)
        yield line("eni-c", "10.0.0.4", "10.0.0.2", at=at)


def neighbours() -> Iterable[str]:
    """Windows of two observers that lie across the full hour: one has a record more."""
    for peer in range(2, 6):
        yield line("eni-a", "10.0.0.1", f"10.0.0.{peer}", at=3_590, packets=5)
        yield line("eni-b", "10.0.0.1", f"10.0.0.{peer}", at=3_580)
        yield line("eni-b", "10.0.0.1", f"10.0.0.{peer}", at=3_601)
        yield line("eni-c", "10.0.0.9", "10.0.0.1", at=peer)


def families() -> Iterable[str]:
    """Interfaces without one common address: both families, a single pair, and themselves."""
    for peer in range(1, 4):
        yield line("eni-a", "10.0.0.1", f"10.0.1.{peer}", at=peer)
        yield line("eni-a", "2001:db8::1", f"2001:db8:1::{peer}", at=peer)
        yield line("eni-b", "2001:db8::1", f"2001:db8:1::{peer}", at=peer)
        yield line(f"eni-{peer}", f"10.0.1.{peer}", "10.0.1.9", at=peer)
    yield line("eni-e", "10.0.2.1", "10.0.2.1")
    yield line("eni-e", "10.0.2.1", "10.0.2.2")


def gateways() -> Iterable[str]:
    """A NAT gateway's legs, those of an attachment, and a node that stands in for its pods."""
    for client in range(1, 4):
        own = f"10.0.0.{client}"
        yield line(f"eni-{client}", own, "198.51.100.7", at=client)
        yield line("eni-nat", own, "198.51.100.7", at=client, raw=f"{own} 10.0.9.9")
        yield line("eni-nat", "10.0.9.9", "198.51.100.7", ports=f"{2_000 + client} 443", at=client)
        yield line("nat-1", own, "198.51.100.8", at=client)
        yield line("nat-1", "203.0.113.5", "198.51.100.8", ports="3000 443", at=client)
        yield line("eni-node", f"10.0.5.{client}", own, raw=f"10.0.5.5 {own}", last="i-1 -")
        yield line("tgw-attach-1", own, "10.7.0.1", action="-", last="- tgw-attach-1")
        yield line(f"eni-{client}", own, "10.7.0.1", at=4_000)


def actions() -> Iterable[str]:
    """More kinds of actions than a byte can count, on one pair and port."""
    return (line("eni-a", "10.0.0.1", "10.0.0.2", action=f"A{n}") for n in range(300, 0, -1))


def scans() -> Iterable[str]:
    """One client and server at very many ports in one hour, in no order."""
    ports = (f"50000 {1 + n * 7_919 % 3_000}" for n in range(3_000))
    return (line("eni-a", "10.0.0.1", "10.0.0.2", ports=each) for each in ports)


def nobody() -> Iterable[str]:
    """Records that name neither observer nor address."""
    yield line("-", "-", "-", action="-")
    yield line("-", "10.0.0.1", "-")


@pytest.mark.parametrize(
    "records", [several, neighbours, families, gateways, actions, scans, nobody]
)
def test_parts_give_what_frames_give(
    records: Callable[[], Iterable[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Placed, counted and put into order part by part, the table is that of one frame."""
    (tmp_path / "a.log").write_text("\n".join([HEAD, *records(), ""]))
    assert_frame_equal(*_both(tmp_path, None, monkeypatch))


def test_buckets_follow_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small buckets of the order give the same table as one."""
    monkeypatch.setattr(sorter, "ROWS", 5)
    text = [HEAD, *several(), *neighbours(), *families(), *scans(), ""]
    (tmp_path / "a.log").write_text("\n".join(text))
    assert_frame_equal(*_both(tmp_path, None, monkeypatch))


def test_an_inventory_tells_parts_what_it_tells_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interfaces' addresses and gateways of the inventory count in both ways."""
    inventory = load_inventory(CASE / "inventory")
    assert_frame_equal(*_both(CASE / "flowlogs", inventory, monkeypatch))


def test_observers_of_a_conversation_are_named_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who saw it, by name, however many they are."""
    (tmp_path / "a.log").write_text("\n".join([HEAD, *several(), ""]))
    talk, _ = _both(tmp_path, None, monkeypatch)
    met = talk.filter(client="10.0.0.1", server="10.0.0.2")
    assert met["observers"].to_list() == [
        ["eni-a", "eni-b", "eni-c"],
        ["eni-a", "eni-b", "eni-c", "eni-d"],
    ]


def _both(
    path: Path, inventory: Inventory | None, patch: pytest.MonkeyPatch
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The table by parts and by frames."""
    tables = []
    for pack in (True, False):
        patch.setattr(packed, "worthwhile", lambda _, pack=pack: pack)
        tables.append(conversations(scan_records(path), inventory).collect())
    return tables[0], tables[1]
