-- Whether a row was analysed: "successfulAnalyses" counts these, and their repeats.
-- The one place in SQL that says so, as models/states.py is in Python. The planner puts the list in its place.

CREATE OR REPLACE FUNCTION medq_is_success(outcome TEXT) RETURNS BOOLEAN AS $$
    SELECT outcome IN ('confirmed', 'corrected', 'completed', 'contested');
$$ LANGUAGE sql IMMUTABLE;
