"""The provider's Batch API: its requests, the lines of its files, and its batches in the database."""
