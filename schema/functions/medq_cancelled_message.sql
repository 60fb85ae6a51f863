-- What a cancelled job says of how far it came. The space before the colon does not break.

CREATE OR REPLACE FUNCTION medq_cancelled_message(processed INTEGER, total INTEGER) RETURNS TEXT AS $$
    SELECT pg_catalog.format(
        CASE WHEN processed < 2 THEN 'Annulé : %s question traitée sur %s.'
             ELSE 'Annulé : %s questions traitées sur %s.' END,
        processed, total);
$$ LANGUAGE sql IMMUTABLE;
