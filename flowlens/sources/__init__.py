"""Where bytes are: local paths, standard input, S3 and CloudWatch Logs.

A source lists objects with their identity and time, and opens them as streams. It knows nothing
of formats: what is in a stream is found out by `flowlens_parsers`.
"""

from flowlens.sources.base import Aws, Lost, Object, Window
from flowlens.sources.fetch import fetch
from flowlens.sources.listing import list_objects

__all__ = ["Aws", "Lost", "Object", "Window", "fetch", "list_objects"]
