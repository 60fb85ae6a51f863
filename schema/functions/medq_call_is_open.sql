-- Whether a call is under way, or waits for a batch to take it along.
-- The one place in SQL that says so, as models/states.py is in Python. The planner puts the list in its place.

CREATE OR REPLACE FUNCTION medq_call_is_open(status TEXT) RETURNS BOOLEAN AS $$
    SELECT status IN ('waiting', 'started');
$$ LANGUAGE sql IMMUTABLE;
