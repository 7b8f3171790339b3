"""Everything about one thing: who it was when, what it did, what is odd about it, and the proof.

`resolve` turns a word into a `Subject`, whose `where` says which records count; `investigate` makes
tables of them.
"""

from flowlens.investigation.inquiry import Investigation, investigate
from flowlens.investigation.resolve import reads, resolve
from flowlens.investigation.subject import Subject

__all__ = ["Investigation", "Subject", "investigate", "reads", "resolve"]
