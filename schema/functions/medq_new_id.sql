-- An id of the shape that Prisma's `cuid()` has.

CREATE OR REPLACE FUNCTION medq_new_id() RETURNS TEXT AS $$
    SELECT 'c' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 24);
$$ LANGUAGE sql VOLATILE;
