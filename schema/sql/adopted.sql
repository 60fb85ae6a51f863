-- What stood in the database before this project came: the parts of revision 001 that were there, and the jobs that had
-- no task when the tasks came ("kind" = 'job', "name" its id). Nothing of it is ever dropped.

CREATE TABLE IF NOT EXISTS medq_adopted (
    "kind" TEXT NOT NULL,
    "table" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    -- It has the name of a part of revision 001 and is another one: it is left as it is.
    "differs" BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT medq_adopted_pkey PRIMARY KEY ("kind", "name", "table")
);
