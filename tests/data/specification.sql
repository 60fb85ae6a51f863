-- The statements of the database's specification, as it gives them; one after each line of dashes.
-- ----
-- Users table for authentication and authorization
CREATE TABLE "User" (
    "id" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT,
    "password" TEXT,
    "role" TEXT NOT NULL DEFAULT 'user',
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "emailVerified" BOOLEAN NOT NULL DEFAULT false,
    "lastLoginAt" TIMESTAMP(3),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);

-- Indexes
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
CREATE INDEX "User_role_idx" ON "User"("role");
CREATE INDEX "User_isActive_idx" ON "User"("isActive");
-- ----
-- Medical specialties (Cardiologie, Neurologie, etc.)
CREATE TABLE "Specialty" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Specialty_pkey" PRIMARY KEY ("id")
);

-- Indexes
CREATE UNIQUE INDEX "Specialty_name_key" ON "Specialty"("name");
CREATE INDEX "Specialty_isActive_idx" ON "Specialty"("isActive");
-- ----
-- Courses within specialties
CREATE TABLE "Course" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "specialtyId" TEXT NOT NULL,
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Course_pkey" PRIMARY KEY ("id")
);

-- Foreign keys
ALTER TABLE "Course" ADD CONSTRAINT "Course_specialtyId_fkey" 
    FOREIGN KEY ("specialtyId") REFERENCES "Specialty"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Indexes
CREATE INDEX "Course_specialtyId_idx" ON "Course"("specialtyId");
CREATE INDEX "Course_isActive_idx" ON "Course"("isActive");
CREATE UNIQUE INDEX "Course_name_specialtyId_key" ON "Course"("name", "specialtyId");
-- ----
-- Clinical cases for case-based questions
CREATE TABLE "ClinicalCase" (
    "id" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "description" TEXT NOT NULL,
    "patientInfo" TEXT,
    "specialtyId" TEXT NOT NULL,
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "ClinicalCase_pkey" PRIMARY KEY ("id")
);

-- Foreign keys
ALTER TABLE "ClinicalCase" ADD CONSTRAINT "ClinicalCase_specialtyId_fkey" 
    FOREIGN KEY ("specialtyId") REFERENCES "Specialty"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Indexes
CREATE INDEX "ClinicalCase_specialtyId_idx" ON "ClinicalCase"("specialtyId");
CREATE INDEX "ClinicalCase_isActive_idx" ON "ClinicalCase"("isActive");
-- ----
-- Medical questions (QCM, QROC, case-based)
CREATE TABLE "Question" (
    "id" TEXT NOT NULL,
    "type" TEXT NOT NULL, -- 'qcm', 'qroc', 'cas_qcm', 'cas_qroc'
    "questionText" TEXT NOT NULL,
    
    -- QCM specific fields
    "optionA" TEXT,
    "optionB" TEXT,
    "optionC" TEXT,
    "optionD" TEXT,
    "optionE" TEXT,
    "correctAnswer" TEXT, -- 'A', 'B', 'C', 'D', 'E'
    
    -- QROC specific fields
    "answer" TEXT,
    
    -- Common fields
    "explanation" TEXT NOT NULL,
    "level" TEXT NOT NULL, -- 'PCEM1', 'PCEM2', 'DCEM1', etc.
    "semester" TEXT NOT NULL,
    
    -- Relations
    "specialtyId" TEXT NOT NULL,
    "courseId" TEXT,
    "clinicalCaseId" TEXT,
    
    -- Metadata
    "difficulty" INTEGER DEFAULT 1, -- 1-5 scale
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "isValidated" BOOLEAN NOT NULL DEFAULT false,
    "validatedAt" TIMESTAMP(3),
    "validatedBy" TEXT,
    
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Question_pkey" PRIMARY KEY ("id")
);

-- Foreign keys
ALTER TABLE "Question" ADD CONSTRAINT "Question_specialtyId_fkey" 
    FOREIGN KEY ("specialtyId") REFERENCES "Specialty"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "Question" ADD CONSTRAINT "Question_courseId_fkey" 
    FOREIGN KEY ("courseId") REFERENCES "Course"("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "Question" ADD CONSTRAINT "Question_clinicalCaseId_fkey" 
    FOREIGN KEY ("clinicalCaseId") REFERENCES "ClinicalCase"("id") ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE "Question" ADD CONSTRAINT "Question_validatedBy_fkey" 
    FOREIGN KEY ("validatedBy") REFERENCES "User"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Indexes
CREATE INDEX "Question_type_idx" ON "Question"("type");
CREATE INDEX "Question_specialtyId_idx" ON "Question"("specialtyId");
CREATE INDEX "Question_courseId_idx" ON "Question"("courseId");
CREATE INDEX "Question_clinicalCaseId_idx" ON "Question"("clinicalCaseId");
CREATE INDEX "Question_level_idx" ON "Question"("level");
CREATE INDEX "Question_semester_idx" ON "Question"("semester");
CREATE INDEX "Question_isActive_idx" ON "Question"("isActive");
CREATE INDEX "Question_isValidated_idx" ON "Question"("isValidated");
CREATE INDEX "Question_difficulty_idx" ON "Question"("difficulty");
-- ----
-- AI validation jobs for processing uploaded files
CREATE TABLE "AiValidationJob" (
    "id" TEXT NOT NULL,
    "fileName" TEXT NOT NULL,
    "originalFileName" TEXT NOT NULL,
    "fileSize" INTEGER NOT NULL,
    "fileUrl" TEXT,
    "outputUrl" TEXT,
    
    -- Job status and progress
    "status" TEXT NOT NULL DEFAULT 'queued', -- 'queued', 'processing', 'completed', 'failed', 'cancelled'
    "progress" INTEGER NOT NULL DEFAULT 0, -- 0-100
    "message" TEXT,
    "errorMessage" TEXT,
    
    -- Processing details
    "totalItems" INTEGER DEFAULT 0,
    "processedItems" INTEGER DEFAULT 0,
    "currentBatch" INTEGER DEFAULT 1,
    "totalBatches" INTEGER DEFAULT 1,
    
    -- AI processing stats
    "ragAppliedCount" INTEGER DEFAULT 0,
    "fixedCount" INTEGER DEFAULT 0,
    "successfulAnalyses" INTEGER DEFAULT 0,
    "failedAnalyses" INTEGER DEFAULT 0,
    "retryAttempts" INTEGER DEFAULT 0,
    
    -- Timing
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" TIMESTAMP(3),
    "completedAt" TIMESTAMP(3),
    "updatedAt" TIMESTAMP(3) NOT NULL,
    
    -- User and configuration
    "userId" TEXT NOT NULL,
    "instructions" TEXT,
    "config" JSONB,

    CONSTRAINT "AiValidationJob_pkey" PRIMARY KEY ("id")
);

-- Foreign keys
ALTER TABLE "AiValidationJob" ADD CONSTRAINT "AiValidationJob_userId_fkey" 
    FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Indexes
CREATE INDEX "AiValidationJob_status_idx" ON "AiValidationJob"("status");
CREATE INDEX "AiValidationJob_userId_idx" ON "AiValidationJob"("userId");
CREATE INDEX "AiValidationJob_createdAt_idx" ON "AiValidationJob"("createdAt");
CREATE INDEX "AiValidationJob_progress_idx" ON "AiValidationJob"("progress");
-- ----
-- Exam sessions
CREATE TABLE "Session" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    "pdfUrl" TEXT,
    "correctionUrl" TEXT,
    
    -- Academic classification
    "niveau" TEXT NOT NULL,
    "semestre" TEXT NOT NULL,
    "specialtyId" TEXT NOT NULL,
    
    -- Session configuration
    "timeLimit" INTEGER, -- in minutes
    "questionCount" INTEGER DEFAULT 0,
    "isActive" BOOLEAN NOT NULL DEFAULT true,
    "isPublished" BOOLEAN NOT NULL DEFAULT false,
    
    -- Metadata
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "createdBy" TEXT,

    CONSTRAINT "Session_pkey" PRIMARY KEY ("id")
);

-- Foreign keys
ALTER TABLE "Session" ADD CONSTRAINT "Session_specialtyId_fkey" 
    FOREIGN KEY ("specialtyId") REFERENCES "Specialty"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "Session" ADD CONSTRAINT "Session_createdBy_fkey" 
    FOREIGN KEY ("createdBy") REFERENCES "User"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Indexes
CREATE INDEX "Session_specialtyId_idx" ON "Session"("specialtyId");
CREATE INDEX "Session_niveau_idx" ON "Session"("niveau");
CREATE INDEX "Session_semestre_idx" ON "Session"("semestre");
CREATE INDEX "Session_isActive_idx" ON "Session"("isActive");
CREATE INDEX "Session_isPublished_idx" ON "Session"("isPublished");
CREATE INDEX "Session_createdBy_idx" ON "Session"("createdBy");
-- ----
-- Questions assigned to sessions
CREATE TABLE "SessionQuestion" (
    "id" TEXT NOT NULL,
    "sessionId" TEXT NOT NULL,
    "questionId" TEXT NOT NULL,
    "order" INTEGER NOT NULL,
    "points" INTEGER DEFAULT 1,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "SessionQuestion_pkey" PRIMARY KEY ("id")
);

-- Foreign keys
ALTER TABLE "SessionQuestion" ADD CONSTRAINT "SessionQuestion_sessionId_fkey" 
    FOREIGN KEY ("sessionId") REFERENCES "Session"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "SessionQuestion" ADD CONSTRAINT "SessionQuestion_questionId_fkey" 
    FOREIGN KEY ("questionId") REFERENCES "Question"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Indexes
CREATE INDEX "SessionQuestion_sessionId_idx" ON "SessionQuestion"("sessionId");
CREATE INDEX "SessionQuestion_questionId_idx" ON "SessionQuestion"("questionId");
CREATE UNIQUE INDEX "SessionQuestion_sessionId_questionId_key" ON "SessionQuestion"("sessionId", "questionId");
CREATE UNIQUE INDEX "SessionQuestion_sessionId_order_key" ON "SessionQuestion"("sessionId", "order");
-- ----
-- User session attempts
CREATE TABLE "UserSession" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "sessionId" TEXT NOT NULL,
    
    -- Session state
    "status" TEXT NOT NULL DEFAULT 'started', -- 'started', 'paused', 'completed', 'abandoned'
    "startedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "completedAt" TIMESTAMP(3),
    "timeSpent" INTEGER DEFAULT 0, -- in seconds
    
    -- Results
    "score" DECIMAL(5,2),
    "totalQuestions" INTEGER DEFAULT 0,
    "correctAnswers" INTEGER DEFAULT 0,
    "incorrectAnswers" INTEGER DEFAULT 0,
    "unansweredQuestions" INTEGER DEFAULT 0,
    
    -- Metadata
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "UserSession_pkey" PRIMARY KEY ("id")
);

-- Foreign keys
ALTER TABLE "UserSession" ADD CONSTRAINT "UserSession_userId_fkey" 
    FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "UserSession" ADD CONSTRAINT "UserSession_sessionId_fkey" 
    FOREIGN KEY ("sessionId") REFERENCES "Session"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Indexes
CREATE INDEX "UserSession_userId_idx" ON "UserSession"("userId");
CREATE INDEX "UserSession_sessionId_idx" ON "UserSession"("sessionId");
CREATE INDEX "UserSession_status_idx" ON "UserSession"("status");
CREATE INDEX "UserSession_startedAt_idx" ON "UserSession"("startedAt");
CREATE INDEX "UserSession_score_idx" ON "UserSession"("score");
-- ----
-- Individual question answers
CREATE TABLE "UserQuestionAnswer" (
    "id" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "questionId" TEXT NOT NULL,
    "userSessionId" TEXT,
    
    -- Answer data
    "selectedAnswer" TEXT, -- For QCM: 'A', 'B', 'C', 'D', 'E'
    "textAnswer" TEXT,     -- For QROC
    "isCorrect" BOOLEAN,
    "timeSpent" INTEGER DEFAULT 0, -- in seconds
    
    -- Metadata
    "answeredAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "UserQuestionAnswer_pkey" PRIMARY KEY ("id")
);

-- Foreign keys
ALTER TABLE "UserQuestionAnswer" ADD CONSTRAINT "UserQuestionAnswer_userId_fkey" 
    FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "UserQuestionAnswer" ADD CONSTRAINT "UserQuestionAnswer_questionId_fkey" 
    FOREIGN KEY ("questionId") REFERENCES "Question"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "UserQuestionAnswer" ADD CONSTRAINT "UserQuestionAnswer_userSessionId_fkey" 
    FOREIGN KEY ("userSessionId") REFERENCES "UserSession"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- Indexes
CREATE INDEX "UserQuestionAnswer_userId_idx" ON "UserQuestionAnswer"("userId");
CREATE INDEX "UserQuestionAnswer_questionId_idx" ON "UserQuestionAnswer"("questionId");
CREATE INDEX "UserQuestionAnswer_userSessionId_idx" ON "UserQuestionAnswer"("userSessionId");
CREATE INDEX "UserQuestionAnswer_isCorrect_idx" ON "UserQuestionAnswer"("isCorrect");
CREATE INDEX "UserQuestionAnswer_answeredAt_idx" ON "UserQuestionAnswer"("answeredAt");
CREATE UNIQUE INDEX "UserQuestionAnswer_userId_questionId_userSessionId_key" 
    ON "UserQuestionAnswer"("userId", "questionId", "userSessionId");
-- ----
-- Function to update question count in sessions
CREATE OR REPLACE FUNCTION update_session_question_count()
RETURNS TRIGGER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE "Session" 
        SET "questionCount" = (
            SELECT COUNT(*) 
            FROM "SessionQuestion" 
            WHERE "sessionId" = NEW."sessionId"
        )
        WHERE "id" = NEW."sessionId";
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE "Session" 
        SET "questionCount" = (
            SELECT COUNT(*) 
            FROM "SessionQuestion" 
            WHERE "sessionId" = OLD."sessionId"
        )
        WHERE "id" = OLD."sessionId";
        RETURN OLD;
    END IF;
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;

-- Trigger for session question count
CREATE TRIGGER session_question_count_trigger
    AFTER INSERT OR DELETE ON "SessionQuestion"
    FOR EACH ROW
    EXECUTE FUNCTION update_session_question_count();
-- ----
-- Function to calculate user session scores
CREATE OR REPLACE FUNCTION calculate_user_session_score()
RETURNS TRIGGER AS $$
BEGIN
    UPDATE "UserSession"
    SET 
        "totalQuestions" = (
            SELECT COUNT(*) 
            FROM "UserQuestionAnswer" 
            WHERE "userSessionId" = NEW."userSessionId"
        ),
        "correctAnswers" = (
            SELECT COUNT(*) 
            FROM "UserQuestionAnswer" 
            WHERE "userSessionId" = NEW."userSessionId" AND "isCorrect" = true
        ),
        "incorrectAnswers" = (
            SELECT COUNT(*) 
            FROM "UserQuestionAnswer" 
            WHERE "userSessionId" = NEW."userSessionId" AND "isCorrect" = false
        ),
        "score" = (
            SELECT CASE 
                WHEN COUNT(*) = 0 THEN 0
                ELSE ROUND(
                    (COUNT(*) FILTER (WHERE "isCorrect" = true) * 100.0) / COUNT(*), 
                    2
                )
            END
            FROM "UserQuestionAnswer" 
            WHERE "userSessionId" = NEW."userSessionId"
        )
    WHERE "id" = NEW."userSessionId";
    
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

-- Trigger for score calculation
CREATE TRIGGER user_session_score_trigger
    AFTER INSERT OR UPDATE ON "UserQuestionAnswer"
    FOR EACH ROW
    WHEN (NEW."userSessionId" IS NOT NULL)
    EXECUTE FUNCTION calculate_user_session_score();
-- ----
-- View for question statistics
CREATE VIEW question_statistics AS
SELECT 
    q."id",
    q."type",
    q."specialtyId",
    s."name" as "specialtyName",
    q."level",
    q."semester",
    q."isValidated",
    COUNT(uqa."id") as "totalAnswers",
    COUNT(CASE WHEN uqa."isCorrect" = true THEN 1 END) as "correctAnswers",
    CASE 
        WHEN COUNT(uqa."id") = 0 THEN 0
        ELSE ROUND(
            (COUNT(CASE WHEN uqa."isCorrect" = true THEN 1 END) * 100.0) / COUNT(uqa."id"), 
            2
        )
    END as "successRate",
    AVG(uqa."timeSpent") as "averageTimeSpent"
FROM "Question" q
LEFT JOIN "Specialty" s ON q."specialtyId" = s."id"
LEFT JOIN "UserQuestionAnswer" uqa ON q."id" = uqa."questionId"
WHERE q."isActive" = true
GROUP BY q."id", s."name";
-- ----
-- View for user performance analytics
CREATE VIEW user_performance AS
SELECT 
    u."id" as "userId",
    u."email",
    u."name",
    COUNT(DISTINCT us."id") as "sessionsCompleted",
    COUNT(DISTINCT uqa."questionId") as "questionsAnswered",
    AVG(us."score") as "averageScore",
    SUM(us."timeSpent") as "totalTimeSpent",
    COUNT(CASE WHEN uqa."isCorrect" = true THEN 1 END) as "correctAnswers",
    COUNT(CASE WHEN uqa."isCorrect" = false THEN 1 END) as "incorrectAnswers",
    MAX(us."completedAt") as "lastActivity"
FROM "User" u
LEFT JOIN "UserSession" us ON u."id" = us."userId"
LEFT JOIN "UserQuestionAnswer" uqa ON u."id" = uqa."userId"
WHERE u."isActive" = true
GROUP BY u."id";
-- ----
-- Performance-critical indexes for admin queries

-- AI Jobs queries (status, user, date)
CREATE INDEX CONCURRENTLY "AiValidationJob_status_createdAt_idx" 
    ON "AiValidationJob"("status", "createdAt" DESC)
-- ----
CREATE INDEX CONCURRENTLY "AiValidationJob_userId_status_idx" 
    ON "AiValidationJob"("userId", "status")
-- ----
-- Question search indexes
CREATE INDEX CONCURRENTLY "Question_specialty_level_semester_idx" 
    ON "Question"("specialtyId", "level", "semester")
-- ----
CREATE INDEX CONCURRENTLY "Question_type_active_validated_idx" 
    ON "Question"("type", "isActive", "isValidated")
-- ----
-- User session analytics
CREATE INDEX CONCURRENTLY "UserSession_user_completed_idx" 
    ON "UserSession"("userId", "completedAt" DESC) 
    WHERE "status" = 'completed'
-- ----
-- Question answer performance
CREATE INDEX CONCURRENTLY "UserQuestionAnswer_question_correct_idx" 
    ON "UserQuestionAnswer"("questionId", "isCorrect", "answeredAt")
-- ----
-- Question type validation
ALTER TABLE "Question" ADD CONSTRAINT "Question_type_check" 
    CHECK ("type" IN ('qcm', 'qroc', 'cas_qcm', 'cas_qroc'));

-- QCM questions must have options and correct answer
ALTER TABLE "Question" ADD CONSTRAINT "Question_qcm_fields_check" 
    CHECK (
        ("type" NOT LIKE '%qcm' OR 
         ("optionA" IS NOT NULL AND "optionB" IS NOT NULL AND "optionC" IS NOT NULL AND 
          "optionD" IS NOT NULL AND "optionE" IS NOT NULL AND "correctAnswer" IS NOT NULL))
    );

-- QROC questions must have answer
ALTER TABLE "Question" ADD CONSTRAINT "Question_qroc_fields_check" 
    CHECK (
        ("type" NOT LIKE '%qroc' OR "answer" IS NOT NULL)
    );

-- Correct answer validation for QCM
ALTER TABLE "Question" ADD CONSTRAINT "Question_correct_answer_check" 
    CHECK ("correctAnswer" IS NULL OR "correctAnswer" IN ('A', 'B', 'C', 'D', 'E'));

-- Progress percentage validation
ALTER TABLE "AiValidationJob" ADD CONSTRAINT "AiValidationJob_progress_check" 
    CHECK ("progress" >= 0 AND "progress" <= 100);

-- User role validation
ALTER TABLE "User" ADD CONSTRAINT "User_role_check" 
    CHECK ("role" IN ('admin', 'maintainer', 'user'));

-- Job status validation
ALTER TABLE "AiValidationJob" ADD CONSTRAINT "AiValidationJob_status_check" 
    CHECK ("status" IN ('queued', 'processing', 'completed', 'failed', 'cancelled'));
-- ----
-- Prevent deletion of specialty with questions
-- Already handled by ON DELETE RESTRICT in foreign key

-- Prevent deletion of user with active jobs
-- Already handled by ON DELETE CASCADE in foreign key

-- Ensure clinical cases only for case-based questions
CREATE OR REPLACE FUNCTION validate_clinical_case_assignment()
RETURNS TRIGGER AS $$
BEGIN
    IF NEW."clinicalCaseId" IS NOT NULL AND NEW."type" NOT LIKE 'cas_%' THEN
        RAISE EXCEPTION 'Clinical case can only be assigned to case-based questions';
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER validate_clinical_case_trigger
    BEFORE INSERT OR UPDATE ON "Question"
    FOR EACH ROW
    EXECUTE FUNCTION validate_clinical_case_assignment();
