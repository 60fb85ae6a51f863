-- The moment, in UTC whatever the session's zone, to the millisecond.

CREATE OR REPLACE FUNCTION medq_now() RETURNS TIMESTAMP(3) AS $$
    SELECT timezone('UTC', clock_timestamp())::timestamp(3);
$$ LANGUAGE sql VOLATILE;
