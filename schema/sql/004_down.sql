-- The strict checks again. No question is cut down to fit them: where rows break one, it comes back NOT VALID
-- (it binds every row written from now on, not those already there) and a warning says how many there are.

ALTER TABLE "Question" DROP CONSTRAINT "Question_correct_answer_check";
ALTER TABLE "Question" ADD CONSTRAINT "Question_correct_answer_check"
    CHECK ("correctAnswer" IS NULL OR "correctAnswer" IN ('A', 'B', 'C', 'D', 'E')) NOT VALID;

ALTER TABLE "Question" DROP CONSTRAINT "Question_qcm_fields_check";
ALTER TABLE "Question" ADD CONSTRAINT "Question_qcm_fields_check"
    CHECK (
        ("type" NOT LIKE '%qcm' OR
         ("optionA" IS NOT NULL AND "optionB" IS NOT NULL AND "optionC" IS NOT NULL AND
          "optionD" IS NOT NULL AND "optionE" IS NOT NULL AND "correctAnswer" IS NOT NULL))
    ) NOT VALID;

DO $$
DECLARE
    broken bigint;
BEGIN
    SELECT count(*) INTO broken FROM "Question" WHERE length("correctAnswer") > 1;
    IF broken = 0 THEN
        ALTER TABLE "Question" VALIDATE CONSTRAINT "Question_correct_answer_check";
    ELSE
        RAISE WARNING 'Question_correct_answer_check is back as NOT VALID: % question(s) have several letters', broken;
    END IF;
    SELECT count(*) INTO broken FROM "Question"
    WHERE "type" LIKE '%qcm' AND num_nulls("optionA", "optionB", "optionC", "optionD", "optionE") > 0;
    IF broken = 0 THEN
        ALTER TABLE "Question" VALIDATE CONSTRAINT "Question_qcm_fields_check";
    ELSE
        RAISE WARNING 'Question_qcm_fields_check is back as NOT VALID: % question(s) have fewer than 5 options', broken;
    END IF;
END;
$$;
