"""Past one machine: the workers of a dask.distributed scheduler read, the client counts.

::

    objects -> records, coded, in parts     one task a group of objects     spread
    parts   -> flows -> views               three tasks a part              orient
    views   -> conversations                the client, as ever             views, conversations
    objects -> rows for a store             one task a batch                keep

`engine` is the way to the scheduler, `scratch` where tasks leave what others take up, `blobs` how
it looks there, `portable` what a task is told of an object. A file belongs to one attempt at a
task, and only the files of attempts whose answer arrived are read; so an attempt that is cut off
or made twice changes nothing.
"""

from flowlens.cluster.engine import Engine

__all__ = ["Engine"]
