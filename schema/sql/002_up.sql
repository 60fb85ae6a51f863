-- First rows of an empty platform. The specification leaves "updatedAt" out, which has no default, and gives the
-- admin a placeholder for a password: here nobody can sign in as admin until a password is set.

INSERT INTO "Specialty" ("id", "name", "description", "createdAt", "updatedAt")
SELECT given.id, given.name, given.description, timezone('UTC', now()), timezone('UTC', now())
FROM (VALUES
    ('spec1', 'Cardiologie', 'Spécialité médicale qui traite les troubles du cœur'),
    ('spec2', 'Neurologie', 'Spécialité médicale qui traite les troubles du système nerveux'),
    ('spec3', 'Pneumologie', 'Spécialité médicale qui traite les troubles respiratoires'),
    ('spec4', 'Gastroentérologie', 'Spécialité médicale qui traite les troubles digestifs')
) AS given (id, name, description)
ON CONFLICT DO NOTHING;

INSERT INTO "User" ("id", "email", "name", "role", "password", "emailVerified", "createdAt", "updatedAt")
VALUES ('admin1', 'admin@medq.com', 'System Administrator', 'admin', NULL, true,
        timezone('UTC', now()), timezone('UTC', now()))
ON CONFLICT DO NOTHING;
