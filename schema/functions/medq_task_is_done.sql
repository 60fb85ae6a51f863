-- Whether a task has come to its end, well or not; one that was cancelled has not.
-- The one place in SQL that says so, as models/states.py is in Python. The planner puts the list in its place.

CREATE OR REPLACE FUNCTION medq_task_is_done(status TEXT) RETURNS BOOLEAN AS $$
    SELECT status IN ('done', 'failed');
$$ LANGUAGE sql IMMUTABLE;
