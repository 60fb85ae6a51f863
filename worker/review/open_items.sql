-- What waits for a person over all jobs, in the order in which she goes through it: the surest analyses first.

-- name: read_queue
-- What waits, read once: each row of it costs more than everything that is asked of the rows afterwards. One order for
-- everybody, so that `next` and `previous` mean the same wherever one stands, also on a row that is settled by now.
WITH waiting AS MATERIALIZED (
  SELECT o."id", COALESCE(-o."confidence", 1) AS place, COALESCE(o."specialty", '') AS specialty
  FROM "AiValidationOpenItem" o WHERE CAST(:job_id AS text) IS NULL OR o."jobId" = :job_id
), line AS (
  SELECT w."id", w.place FROM waiting w WHERE CAST(:specialty AS text) IS NULL OR w.specialty = :specialty
), first AS (
  SELECT l."id" FROM line l ORDER BY l.place, l."id" LIMIT 1
), here AS (
  SELECT i."id", COALESCE(-(i."result" ->> 'confidence')::float8, 1) AS place FROM "AiValidationItem" i
  WHERE i."id" = COALESCE(CAST(:item_id AS text), (SELECT f."id" FROM first f))
)
SELECT (SELECT f."id" FROM first f) AS first,
  (SELECT l."id" FROM line l, here h WHERE (l.place, l."id") > (h.place, h."id")
   ORDER BY l.place, l."id" LIMIT 1) AS following,
  (SELECT l."id" FROM line l, here h WHERE (l.place, l."id") < (h.place, h."id")
   ORDER BY l.place DESC, l."id" DESC LIMIT 1) AS before,
  (SELECT json_agg(json_build_array(c.specialty, c.n) ORDER BY c.specialty) FROM (
     SELECT w.specialty, count(*) AS n FROM waiting w WHERE w."id" IS DISTINCT FROM :settled GROUP BY 1) c) AS counts;
