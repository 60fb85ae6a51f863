-- First rows of an empty platform, and of no other. The specification leaves "updatedAt" out, which has no default, and
-- gives the admin a placeholder for a password: here nobody can sign in as admin until a password is set.

WITH platform AS (
    SELECT NOT EXISTS (SELECT FROM "User") AND NOT EXISTS (SELECT FROM "Specialty") AS is_empty
), specialties AS (
    INSERT INTO "Specialty" ("id", "name", "description", "createdAt", "updatedAt")
    SELECT given.id, given.name, given.description, timezone('UTC', now()), timezone('UTC', now())
    FROM platform, (VALUES
        ('spec1', 'Cardiologie', 'Spécialité médicale qui traite les troubles du cœur'),
        ('spec2', 'Neurologie', 'Spécialité médicale qui traite les troubles du système nerveux'),
        ('spec3', 'Pneumologie', 'Spécialité médicale qui traite les troubles respiratoires'),
        ('spec4', 'Gastroentérologie', 'Spécialité médicale qui traite les troubles digestifs')
    ) AS given (id, name, description)
    WHERE is_empty
)
INSERT INTO "User" ("id", "email", "name", "role", "password", "emailVerified", "createdAt", "updatedAt")
SELECT 'admin1', 'admin@medq.com', 'System Administrator', 'admin', NULL, true,
    timezone('UTC', now()), timezone('UTC', now())
FROM platform WHERE is_empty;
