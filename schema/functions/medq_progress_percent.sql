-- How far a job is that is being worked on: 1 to 99; 0 is before its file was read, 100 only its end.

CREATE OR REPLACE FUNCTION medq_progress_percent(processed INTEGER, total INTEGER) RETURNS INTEGER AS $$
    SELECT LEAST(99, GREATEST(1, (99.0 * processed / GREATEST(1, total))::int));
$$ LANGUAGE sql IMMUTABLE;
