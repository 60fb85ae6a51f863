-- What a person decided is never changed nor removed.

CREATE OR REPLACE FUNCTION medq_decision_stays() RETURNS TRIGGER AS $$
BEGIN
    -- A row that a decision speaks of may go; what was decided stays.
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - ARRAY['itemId', 'questionId', 'userId']
                          = to_jsonb(OLD) - ARRAY['itemId', 'questionId', 'userId'] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'A decision is never changed nor removed: undo it by another one'
        USING ERRCODE = 'check_violation', TABLE = 'AiValidationDecision';
END;
$$ LANGUAGE plpgsql SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_decision_stays_trigger
    BEFORE UPDATE OR DELETE ON "AiValidationDecision"
    FOR EACH ROW EXECUTE FUNCTION medq_decision_stays();
