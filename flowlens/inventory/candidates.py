"""Who may own an interface: for each kind, the names that AWS's answers give it.

A claim is a row per interface: its candidates, how certain they are, and what was missing.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from flowlens.inventory.model import Inventory

__all__ = ["CLAIMS"]

_CLAIM: dict[str, pl.DataType] = {
    "capture": pl.UInt32(),
    "interface_id": pl.String(),
    "owner": pl.List(pl.String),
    "certainty": pl.String(),
    "lacks": pl.String(),
    "why": pl.String(),
}
_FUNCTIONS = "lambda.list_functions"
_INSTANCES = "ec2.describe_instances"
_NOBODY = pl.lit([], dtype=pl.List(pl.String))
_UNNAMED = pl.lit(None, dtype=pl.List(pl.String))

#: Kinds whose interfaces belong to an EC2 instance.
_MACHINES = ["ec2", "trunk", "eks_node_secondary"]


def _claim(frame: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    """Return claims: the key of `frame` with the given columns, the rest null."""
    given = {"lacks": pl.lit(None), "why": pl.lit(None), **columns}
    return frame.select(
        (given[name] if name in given else pl.col(name)).cast(dtype).alias(name)
        for name, dtype in _CLAIM.items()
    )


def _lacking(frame: pl.DataFrame, call: str, inventory: "Inventory") -> pl.DataFrame:
    """Return the claims of interfaces whose capture has no answer of `call`: unknown."""
    blind = frame.filter(~pl.col("capture").is_in(inventory.answered(call)))
    return _claim(
        blind,
        owner=_UNNAMED,
        certainty=pl.lit("unknown"),
        lacks=pl.lit(call),
        why=pl.lit(f"{call} is missing"),
    )


def _described(table: pl.DataFrame, _: "Inventory") -> pl.DataFrame:
    """Claim the resource that the description names, or the connector's tag."""
    resource = pl.coalesce(
        "resource", pl.when(pl.col("kind") == "lambda_connector").then("connector")
    )
    others = ["lambda", "lambda_managed_instance", "rds", "ecs_task", *_MACHINES]
    named = table.filter(~pl.col("kind").is_in(others) & resource.is_not_null())
    return _claim(named, owner=pl.concat_list(resource), certainty=pl.lit("exact"))


def _detached(table: pl.DataFrame, _: "Inventory") -> pl.DataFrame:
    """Claim for nobody what is attached to nothing."""
    idle = table.filter(pl.col("kind") == "detached")
    return _claim(idle, owner=_NOBODY, certainty=pl.lit("none"), why=pl.lit("attached to nothing"))


def _machines(table: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Claim instances by Name tag, else by id; the id is known from the interface itself."""
    mine = table.filter(pl.col("kind").is_in(_MACHINES)).with_columns(
        pl.coalesce("resource", "instance_id").alias("instance_id")
    )
    names = inventory.instances.select("capture", "instance_id", pl.col("name").alias("label"))
    named = mine.filter(pl.col("instance_id").is_not_null()).join(
        names.unique(["capture", "instance_id"]), on=["capture", "instance_id"], how="left"
    )
    blind = ~pl.col("capture").is_in(inventory.answered(_INSTANCES))
    return _claim(
        named,
        owner=pl.concat_list(pl.coalesce("label", "instance_id")),
        certainty=pl.lit("exact"),
        lacks=pl.when(blind).then(pl.lit(_INSTANCES)),
    )


def _lambdas(table: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Claim every function with the interface's subnet and exactly its groups, in any version."""
    every = table.filter(pl.col("kind") == "lambda")
    # Without its own subnet and groups an interface fits nobody, which does not mean none.
    bare = pl.col("groups").is_null() | pl.col("subnet_id").is_null()
    mine = every.filter(~bare).with_columns(_set("groups"))
    functions = (
        # Functions of a capacity provider use its network, not their own VpcConfig.
        inventory.functions.filter(pl.col("provider").is_null())
        .explode("subnets")
        .select("capture", pl.col("subnets").alias("subnet_id"), _set("groups"), "function")
    )
    claims = _candidates(
        mine, functions, ["capture", "subnet_id", "groups"], "no function has this combination"
    )
    seen = claims.filter(pl.col("capture").is_in(inventory.answered(_FUNCTIONS)))
    blank = _claim(
        every.filter(bare),
        owner=_UNNAMED,
        certainty=pl.lit("unknown"),
        why=pl.lit("its subnet or its groups are not in the answer"),
    )
    return pl.concat([seen, _lacking(mine, _FUNCTIONS, inventory), blank])


def _providers(table: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Claim the functions of the capacity provider whose instance holds the interface."""
    tags = inventory.instances.select("capture", "instance_id", pl.col("provider").alias("tagged"))
    mine = (
        table.filter(pl.col("kind") == "lambda_managed_instance")
        .join(tags, on=["capture", "instance_id"], how="left")
        .with_columns(_short(pl.coalesce("provider", "tagged")).alias("provider"))
    )
    listed = pl.concat(
        [frame.select("capture", "provider", "function") for frame in _provided(inventory)]
    ).with_columns(_short(pl.col("provider")).alias("provider"))
    tagged = mine.filter(pl.col("provider").is_not_null())
    claims = _candidates(
        tagged, listed, ["capture", "provider"], "no function uses this capacity provider"
    )
    # Either answer names the functions of a provider, but only the list of all says "none".
    whole = pl.col("capture").is_in(inventory.answered(_FUNCTIONS))
    named = whole | (pl.col("owner").list.len() > 0)
    seen = claims.filter(named)
    left = tagged.join(seen, on=["capture", "interface_id"], how="anti")
    untagged = mine.filter(pl.col("provider").is_null())
    return pl.concat(
        [
            seen,
            _lacking(left, _FUNCTIONS, inventory),
            _claim(
                untagged,
                owner=_UNNAMED,
                certainty=pl.lit("unknown"),
                why=pl.lit("its instance carries no tag aws:lambda:capacity-provider"),
            ),
        ]
    )


def _provided(inventory: "Inventory") -> list[pl.DataFrame]:
    return [inventory.functions, inventory.table("provided")]


def _databases(table: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Claim database instances by subnet group and equal groups: the interface names nothing."""
    mine = table.filter(pl.col("kind") == "rds").with_columns(_set("groups"))
    databases = (
        inventory.table("databases")
        .explode("subnets")
        .select(
            "capture",
            pl.col("subnets").alias("subnet_id"),
            _set("groups"),
            pl.col("database").alias("function"),
        )
    )
    on = ["capture", "subnet_id", "groups"]
    claims = _candidates(mine, databases, on, "no database instance has this combination")
    call = "rds.describe_db_instances"
    # Proxies, clusters and other engines look the same: no match does not mean nobody.
    unknown = pl.col("certainty") == "none"
    seen = claims.filter(pl.col("capture").is_in(inventory.answered(call))).with_columns(
        pl.when(unknown).then(_UNNAMED).otherwise("owner").alias("owner"),
        pl.when(unknown).then(pl.lit("unknown")).otherwise("certainty").alias("certainty"),
    )
    return pl.concat([seen, _lacking(mine, call, inventory)])


def _tasks(table: pl.DataFrame, inventory: "Inventory") -> pl.DataFrame:
    """Claim the service or family of the ECS task that holds the attachment."""
    call = "ecs.describe_tasks"
    mine = table.filter(pl.col("kind") == "ecs_task")
    tasks = (
        inventory.table("tasks")
        .explode("attachments")
        .select(
            "capture",
            pl.col("attachments").alias("resource"),
            pl.coalesce("name", "task").alias("function"),
        )
    )
    claims = _candidates(mine, tasks, ["capture", "resource"], "its task is not listed any more")
    gone = pl.col("certainty") == "none"  # stopped tasks leave the API within the hour
    seen = claims.filter(pl.col("capture").is_in(inventory.answered(call))).with_columns(
        pl.when(gone).then(_UNNAMED).otherwise("owner").alias("owner"),
        pl.when(gone).then(pl.lit("unknown")).otherwise("certainty").alias("certainty"),
    )
    return pl.concat([seen, _lacking(mine, call, inventory)])


def _candidates(
    mine: pl.DataFrame, theirs: pl.DataFrame, on: list[str], otherwise: str
) -> pl.DataFrame:
    """Claim for each interface the sorted set of names that share its key."""
    sets = theirs.group_by(on).agg(pl.col("function").drop_nulls().unique().sort().alias("owner"))
    found = mine.join(sets, on=on, how="left").with_columns(pl.col("owner").fill_null(_NOBODY))
    count = pl.col("owner").list.len()
    certainty = (
        pl.when(count == 0)
        .then(pl.lit("none"))
        .when(count == 1)
        .then(pl.lit("exact"))
        .otherwise(pl.lit("shared"))
    )
    return _claim(found, certainty=certainty, why=pl.when(count == 0).then(pl.lit(otherwise)))


def _set(column: str) -> pl.Expr:
    """Return a set of ids as text, so that equal sets are equal."""
    return pl.col(column).list.unique().list.sort().list.join(",").alias(column)


def _short(column: pl.Expr) -> pl.Expr:
    """Return the name at the end of an ARN; the tag holds either (both were seen)."""
    return column.str.extract(r"([^:/]+)$", 1)


#: One function per way of knowing; no interface is claimed by two.
CLAIMS: tuple[Callable[[pl.DataFrame, "Inventory"], pl.DataFrame], ...] = (
    _described,
    _detached,
    _machines,
    _lambdas,
    _providers,
    _databases,
    _tasks,
)
