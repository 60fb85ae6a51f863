"""The queue of tasks: a job's row as its tasks see it, claims, leases, what is given back."""
