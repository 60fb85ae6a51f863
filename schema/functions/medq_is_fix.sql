-- Whether the analysis gave the key or the answer: "fixedCount" counts these.
-- The one place in SQL that says so, as models/states.py is in Python. The planner puts the list in its place.

CREATE OR REPLACE FUNCTION medq_is_fix(outcome TEXT) RETURNS BOOLEAN AS $$
    SELECT outcome IN ('corrected', 'completed');
$$ LANGUAGE sql IMMUTABLE;
