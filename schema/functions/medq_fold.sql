-- Texts that say the same: no case, single spaces. Only a first choice: the worker compares what it finds.

CREATE OR REPLACE FUNCTION medq_fold(content TEXT) RETURNS TEXT AS $$
    SELECT lower(btrim(regexp_replace(normalize(content, NFC), '\s+', ' ', 'g')));
$$ LANGUAGE sql IMMUTABLE PARALLEL SAFE;
