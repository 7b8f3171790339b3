"""Words of the document in other people's languages: descriptions, comments, stable names."""

import re
import unicodedata
from collections.abc import Iterable
from hashlib import sha256

__all__ = ["comment", "described", "name", "slug"]

#: What AWS takes in the description of a rule, without ``{``, ``}`` and ``$``: Terraform reads
#: "${…}", CloudFormation "{{resolve:…}}" and the CDK "${Token[…]}" as their own.
#: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
_OTHER = re.compile(r"[^a-zA-Z0-9 ._\-:/()#,@\[\]+=&;!*]+")
_LENGTH = 255


def described(*parts: str | None) -> str:
    """Return parts as the description of a rule of a security group.

    Signs that AWS does not take become ``_``, letters lose their accents.

    >>> described("café: 'cards' ${x}", None, "until 2027-01-01")
    'cafe: _cards_ _x_; until 2027-01-01'
    """
    text = unicodedata.normalize("NFKD", "; ".join(part for part in parts if part))
    plain = "".join(sign for sign in text if not unicodedata.combining(sign))
    return _OTHER.sub("_", plain)[:_LENGTH].strip()


def comment(text: str) -> str:
    r"""Return text that stays on one line: signs that are no print become escapes.

    >>> print(comment("cards\nrm -rf /\u2028"))
    cards\nrm -rf /\u2028
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def name(*parts: object) -> str:
    """Return a name that depends on the parts alone: the first digits of their hash.

    >>> name("sg-1", "tcp", 443)
    '79fcfdfe9815'
    """
    return sha256("\x00".join(map(str, parts)).encode()).hexdigest()[:12]


def slug(texts: Iterable[str], length: int = 40) -> str:
    """Return texts as letters, digits and dashes, for names that people read.

    >>> slug(["function Payments*", "any"])
    'function-payments-any'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", " ".join(texts).lower()).strip("-")
    return plain[:length].strip("-") or "x"
