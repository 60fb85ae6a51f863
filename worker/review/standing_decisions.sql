-- What people have decided so far, one decision for each content: the last one that stands.

-- name: read_all
-- Every decision there is, those on one content together, the oldest first.
SELECT d."contentHash", d."action", COALESCE(d."key", d."answer") AS value, d."shown"
FROM "AiValidationDecision" d ORDER BY d."contentHash", d."createdAt", d."id";
