"""The demo: the main job on the case that comes with the package."""

from pathlib import Path

from flowlens.errors import InputError

__all__ = ["demo", "demo_case"]

#: In a checkout the case lies beside the package, in a wheel inside it.
PLACES = (Path(__file__).parents[2] / "data" / "case", Path(__file__).parents[1] / "case")


def demo_case() -> Path:
    """Return the folder of the bundled case.

    Raises:
        InputError: the installation has no case.
    """
    for place in PLACES:
        if place.is_dir():
            return place
    msg = f"the bundled case is not installed; looked in {', '.join(map(str, PLACES))}"
    raise InputError(msg)


def demo(output: Path) -> None:
    """Write the report on the bundled case."""
    from flowlens.cli.options import Grounds, Reading
    from flowlens.cli.pipeline import Job
    from flowlens.cli.report import write

    case = demo_case()
    logs = [str(case / "flowlogs")]
    names = [str(path) for path in sorted(case.rglob("*resolver*"))]
    ranges = case / "ip-ranges.json"
    grounds = Grounds(
        inventory=case / "inventory",
        expected=case / "expected.yaml",
        dns=names or None,
        aws_ranges=ranges if ranges.is_file() else None,
    )
    write(Job(logs, Reading(), grounds, offline=True), output)
