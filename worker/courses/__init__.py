"""Course documents: extracted, cut into passages, indexed, and searched for a question."""
