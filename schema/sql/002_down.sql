-- Takes back only rows that are still as they were given and that nothing refers to. The keys would cascade:
-- without these conditions courses and jobs would go with them.

DELETE FROM "Specialty" AS s
WHERE (s."id", s."name") IN (
        ('spec1', 'Cardiologie'), ('spec2', 'Neurologie'), ('spec3', 'Pneumologie'), ('spec4', 'Gastroentérologie'))
    AND NOT EXISTS (SELECT FROM "Course" WHERE "specialtyId" = s."id")
    AND NOT EXISTS (SELECT FROM "ClinicalCase" WHERE "specialtyId" = s."id")
    AND NOT EXISTS (SELECT FROM "Question" WHERE "specialtyId" = s."id")
    AND NOT EXISTS (SELECT FROM "Session" WHERE "specialtyId" = s."id");

DELETE FROM "User" AS u
WHERE (u."id", u."email") = ('admin1', 'admin@medq.com')
    AND u."password" IS NULL AND u."lastLoginAt" IS NULL
    AND NOT EXISTS (SELECT FROM "AiValidationJob" WHERE "userId" = u."id")
    AND NOT EXISTS (SELECT FROM "Question" WHERE "validatedBy" = u."id")
    AND NOT EXISTS (SELECT FROM "Session" WHERE "createdBy" = u."id")
    AND NOT EXISTS (SELECT FROM "UserSession" WHERE "userId" = u."id")
    AND NOT EXISTS (SELECT FROM "UserQuestionAnswer" WHERE "userId" = u."id");
