-- The specification's: only a question of a case may name one.

CREATE OR REPLACE FUNCTION validate_clinical_case_assignment()
RETURNS TRIGGER AS $$
BEGIN
    IF NEW."clinicalCaseId" IS NOT NULL AND NEW."type" NOT LIKE 'cas_%' THEN
        RAISE EXCEPTION 'Clinical case can only be assigned to case-based questions';
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

CREATE OR REPLACE TRIGGER validate_clinical_case_trigger
    BEFORE INSERT OR UPDATE ON "Question"
    FOR EACH ROW
    EXECUTE FUNCTION validate_clinical_case_assignment();
