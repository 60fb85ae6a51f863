-- What a call has cost is known when it has ended, and not before; until then "ceilingUsd" is reserved for it. One whose
-- cost nobody could tell, because its end was not seen or its tokens were not counted, costs what was reserved: a budget
-- is kept whatever became of it. Without a known price neither is known.

CREATE OR REPLACE FUNCTION medq_call_costs() RETURNS TRIGGER AS $$
BEGIN
    IF medq_call_is_open(NEW."status") THEN
        -- As workers before revision 022 write their intents.
        NEW."ceilingUsd" = COALESCE(NEW."ceilingUsd", NEW."costUsd");
        NEW."costUsd" = NULL;
    ELSE
        NEW."costUsd" = NEW."ceilingUsd";
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT;

CREATE OR REPLACE TRIGGER medq_call_costs_trigger
    BEFORE INSERT OR UPDATE OF "status", "costUsd", "ceilingUsd" ON "LlmCall"
    FOR EACH ROW
    WHEN (CASE WHEN NEW."status" IN ('waiting', 'started') THEN NEW."costUsd" IS NOT NULL
               ELSE NEW."costUsd" IS NULL AND NEW."ceilingUsd" IS NOT NULL END)
    EXECUTE FUNCTION medq_call_costs();
