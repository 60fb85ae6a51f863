"""A worker process: supervised, wired, woken, renewing its leases, executing tasks. What a task does is in `jobs`."""
