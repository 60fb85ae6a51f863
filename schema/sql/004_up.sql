-- Three keys of four in real files have several letters ("ABE"), and questions with two to four options exist.
-- "correctAnswer" becomes a key of sorted unique letters, each on a present option; two options are enough.
-- Every row that the strict checks accept, these accept; a platform that had none of its own may have others, so older
-- rows are looked at when the upgrade is done.

ALTER TABLE "Question"
    DROP CONSTRAINT IF EXISTS "Question_correct_answer_check",
    ADD CONSTRAINT "Question_correct_answer_check"
        CHECK ("correctAnswer" IS NULL OR "correctAnswer" ~ '^(?=.)A?B?C?D?E?$') NOT VALID;

ALTER TABLE "Question"
    DROP CONSTRAINT IF EXISTS "Question_qcm_fields_check",
    ADD CONSTRAINT "Question_qcm_fields_check" CHECK (
        "type" NOT LIKE '%qcm' OR (
            "correctAnswer" IS NOT NULL
            AND num_nonnulls("optionA", "optionB", "optionC", "optionD", "optionE") >= 2
            AND ("optionA" IS NOT NULL OR strpos("correctAnswer", 'A') = 0)
            AND ("optionB" IS NOT NULL OR strpos("correctAnswer", 'B') = 0)
            AND ("optionC" IS NOT NULL OR strpos("correctAnswer", 'C') = 0)
            AND ("optionD" IS NOT NULL OR strpos("correctAnswer", 'D') = 0)
            AND ("optionE" IS NOT NULL OR strpos("correctAnswer", 'E') = 0)
        )
    ) NOT VALID;
