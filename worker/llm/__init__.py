"""Calls to a model: composed, dispatched within limits, written to the ledger, retried, validated."""
