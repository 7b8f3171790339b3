"""Bytes to typed Polars frames: flow logs in every delivery, and resolver query logs."""
