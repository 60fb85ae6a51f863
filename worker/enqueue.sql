-- How a web app's upload becomes a job. Run by enqueue.py, without SQLAlchemy.

-- name: find_user
-- The user with this e-mail or id.
SELECT "id" FROM "User" WHERE "email" = :user OR "id" = :user;

-- name: lock_id
-- Whoever makes the same job meanwhile waits until this transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('medq-enqueue:' || :id, 0));

-- name: find_job
-- Whether the job exists.
SELECT 1 FROM "AiValidationJob" WHERE "id" = :id;

-- name: insert_job
-- The job. Its status is `queued`: a trigger makes its first task and wakes the workers.
INSERT INTO "AiValidationJob"
    ("id", "fileName", "originalFileName", "fileSize", "fileUrl", "userId", "instructions", "config",
     "message", "createdAt", "updatedAt")
VALUES (:id, :file_name, :original_file_name, :file_size, :file_url, :user_id, :instructions, CAST(:config AS jsonb),
        'En file d''attente.', timezone('UTC', clock_timestamp()), timezone('UTC', clock_timestamp()));
