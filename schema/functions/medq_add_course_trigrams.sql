-- Nothing is added any more: see revision 023. `medq ingest` of a release before it asks, and goes on with false.

CREATE OR REPLACE FUNCTION medq_add_course_trigrams() RETURNS BOOLEAN AS $$
    SELECT false;
$$ LANGUAGE sql;
