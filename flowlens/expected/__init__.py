"""Should: the document of what is expected, and the judgement of traffic by it."""

from flowlens.expected.document import Document, Entry, Port, Rule, Subject
from flowlens.expected.judgement import judge
from flowlens.expected.reader import load, parse

__all__ = ["Document", "Entry", "Port", "Rule", "Subject", "judge", "load", "parse"]
