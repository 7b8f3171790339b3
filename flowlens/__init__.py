"""VPC flow logs in; an owned, named, judged egress graph out."""
