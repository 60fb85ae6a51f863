-- What a job says of how far it is: written with the figures, by every statement that changes them. No format(), which
-- would keep the planner from putting the text in place of the call. The space before the colon does not break.

CREATE OR REPLACE FUNCTION medq_progress_message(processed INTEGER, total INTEGER) RETURNS TEXT AS $$
    SELECT 'Analyse en cours : ' || processed::text
        || CASE WHEN processed < 2 THEN ' question traitée sur ' ELSE ' questions traitées sur ' END
        || total::text || '.';
$$ LANGUAGE sql IMMUTABLE;
