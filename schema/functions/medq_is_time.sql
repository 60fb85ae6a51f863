-- Whether a calendar knows this time: PostgreSQL knows others, and infinity. NULL is for the column to refuse.

CREATE OR REPLACE FUNCTION medq_is_time(moment TIMESTAMP) RETURNS BOOLEAN AS $$
    SELECT COALESCE(moment BETWEEN '0001-01-01' AND '9999-12-31', true);
$$ LANGUAGE sql IMMUTABLE;
