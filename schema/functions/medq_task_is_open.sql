-- Whether a task has not ended.
-- The one place in SQL that says so, as models/states.py is in Python. The planner puts the list in its place.

CREATE OR REPLACE FUNCTION medq_task_is_open(status TEXT) RETURNS BOOLEAN AS $$
    SELECT status IN ('ready', 'running', 'waiting');
$$ LANGUAGE sql IMMUTABLE;
