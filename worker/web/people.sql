-- Who the people of the platform are, as far as this service asks: active, and admin or maintainer.

-- name: find_person
-- Active admins and maintainers who could be meant by this e-mail or id; the one that is written just so first.
SELECT "id", "email", COALESCE("name", "email") AS name, lower("role") AS role FROM "User"
WHERE ("id" = :user OR lower("email") = lower(:user)) AND "isActive" AND lower("role") IN ('admin', 'maintainer')
ORDER BY "id" = :user DESC, "email" = :user DESC LIMIT 2;
